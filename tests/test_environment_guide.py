"""Examples of the guide to environments."""

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
BRIEF = ["--settings", "scratch.steps=3", "finetune.steps=3"]
FEWER = {"--episodes": "6", "--trials": "2", "--steps": "3", "--shots": "1"}


BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
BENCH = '''
import gymnasium
import numpy as np

SIZES = {"reach": 3, "stack": 7}


class Bench(gymnasium.Env):
    """Things in space that are moved to a mark; no render_mode and no limit is taken."""

    def __init__(self, task):
        self.shape = (SIZES[task], 3)
        size = 3 * SIZES[task]
        self.observation_space = gymnasium.spaces.Box(-9, 9, (size,), np.float64)
        self.action_space = gymnasium.spaces.Box(-0.5, 0.5, (3,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.things = self.np_random.uniform(-2, 2, self.shape)
        return self.things.ravel(), {}

    def step(self, action):
        self.things[1:] += action
        self.things = np.clip(self.things, -9, 9)
        apart = np.abs(self.things[1] - self.things[0]).max()
        return self.things.ravel(), 0.0, False, False, {"is_success": apart < 0.3}


class Expert:
    def __init__(self, task):
        self.shape = (SIZES[task], 3)

    def __call__(self, observation):
        things = observation["state"].reshape(self.shape)
        return np.clip(2 * (things[0] - things[1]), -1, 1).astype(np.float32)


def expert(task):
    return Expert(task)


gymnasium.register("Bench-v0", entry_point=Bench)
'''


def block_with(words: str) -> str:
    (block,) = (block for block in BLOCKS if words in block)
    return block


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of the guide, in the working directory."""
    (tmp_path / "my_tray.py").write_text(block_with("class Tray"))
    (tmp_path / "my_bench.py").write_text(block_with("import bench"))
    (tmp_path / "bench.py").write_text(BENCH)
    monkeypatch.setattr(imports, "_IMPORTED", {})
    monkeypatch.setattr(SUITES, "_items", dict(SUITES._items))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def fewer(words: list[str]) -> list[str]:
    """The words of a command with small numbers."""
    pairs = zip(["", *words], words, strict=False)
    return [FEWER.get(before, word) for before, word in pairs]


def run(module: str, verbs: list[str]) -> None:
    """Runs the commands of the guide that import a module."""
    commands = [it for it in COMMANDS if module in it]
    assert [command.split()[0] for command in commands] == verbs
    for command in commands:
        words = [w for w in shlex.split(command) if w != "5"]
        plays = words[0] in ("collect", "evaluate", "adapt")
        more = [*(SMALL if plays else []), *(BRIEF if words[0] == "adapt" else [])]
        assert not main([*fewer(words), *more]), command


def tasks_of(evaluation: str) -> set[str]:
    return {record.task for record in robomtl.Results.read(evaluation).records}


@pytest.mark.slow
@pytest.mark.usefixtures("folder", "forked_workers")
def test_the_suite_keeps_the_contract_and_each_command_works() -> None:
    run("my_tray", ["check", "collect", "train", "evaluate", "adapt"])
    suite = robomtl.suite("tray")
    assert tasks_of("runs/tray/evaluation") == {it.name for it in suite.train_tasks}
    assert Path("runs/tray/adapted/report.html").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("folder")
def test_a_package_of_tasks_that_differ_is_one_suite_of_one_policy_in_20_lines() -> (
    None
):
    assert (
        len([line for line in block_with("import bench").splitlines() if line.strip()])
        <= 20
    )
    run("my_bench", ["check", "collect", "train", "evaluate"])
    assert tasks_of("runs/bench/evaluation") == {"reach", "stack"}
    spec = robomtl.load("runs/bench/cloning").card.spec
    states = {each.name: each.states["state"] for each in spec.embodiments}
    assert states == {"bench": 9, "bench.stack": 21}
