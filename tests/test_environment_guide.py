"""The guide to an environment of one's own, run as it is written."""

import re
import shlex
from pathlib import Path

import pytest

import robomtl
from robomtl import imports
from robomtl.cli.main import main
from robomtl.registry import SUITES

GUIDE = (Path(__file__).parent.parent / "docs" / "environments.md").read_text()
COMMANDS = re.findall(r"^    robomtl ([^\n]+)", GUIDE, flags=re.MULTILINE)
SMALL = ["--workers", "1"]
FEWER = {"--episodes": "6", "--trials": "2", "--steps": "3", "--shots": "1"}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of the guide, in the working directory."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    (tmp_path / "my_tray.py").write_text(code)
    monkeypatch.setattr(imports, "_IMPORTED", [])
    monkeypatch.setattr(SUITES, "_items", dict(SUITES._items))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def fewer(words: list[str]) -> list[str]:
    """The words of a command with small numbers."""
    pairs = zip(["", *words], words, strict=False)
    return [FEWER.get(before, word) for before, word in pairs]


@pytest.mark.slow
@pytest.mark.usefixtures("module")
def test_the_suite_keeps_the_contract_and_each_command_works() -> None:
    verbs = [command.split()[0] for command in COMMANDS]
    assert verbs == ["check", "collect", "train", "evaluate", "adapt"]
    for command in COMMANDS:
        words = [w for w in shlex.split(command) if w != "5"]
        plays = words[0] in ("collect", "evaluate", "adapt")
        assert not main([*fewer(words), *(SMALL if plays else [])]), command
    results = robomtl.Results.read("runs/tray/evaluation")
    assert {record.task for record in results.records} == {
        task.name for task in SUITES.get("tray").train_tasks
    }
    assert Path("runs/tray/adapted/report.html").exists()
