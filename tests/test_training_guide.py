"""Examples and statements of the guide of training."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import tyro

import robomtl
from robomtl.cli.train import Train, _model, with_settings

pytestmark = pytest.mark.usefixtures("forked_workers")

GUIDE = (Path(__file__).parent.parent / "docs" / "training.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
COMMANDS = re.findall(r"^    robomtl train ([^#\n]+)", GUIDE, flags=re.MULTILINE)
SMALL = "threads=1, batch_size=8, "
FEW = {
    "steps=3000, evaluate_every=1000": f"{SMALL}steps=2, evaluate_every=2, evaluate_episodes=1",
    "steps=1000": f"{SMALL}steps=2",
    "config=config)": "config=config, policy_config={'width': 16, 'blocks': 1})",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("guide")
    for name in ("mt10", "new"):
        data = made / "data" / name
        robomtl.collect(
            robomtl.suite("points/MT4"),
            data,
            config=robomtl.CollectionConfig(episodes=2),
            compute=robomtl.Compute(workers=1),
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        for block in BLOCKS:
            code = "import robomtl\n" + block
            for there, here in FEW.items():
                code = code.replace(there, here)
            exec(code, {})
    return made


@pytest.mark.slow
def test_its_python_trains_and_continues(folder):
    trained = robomtl.load(folder / "runs" / "new")
    assert trained.card.config["width"] == 16


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_have_the_flags_they_name(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = shlex.split(command)
    flags = tyro.cli(with_settings(Train, _model(words)), args=words)
    assert flags.data


@pytest.mark.slow
def test_it_names_the_files_of_a_run(folder):
    table = GUIDE.partition("Contents of a run directory")[2].partition("## ")[0]
    named = set(re.findall(r"`([\w.-]+)/?`", table)) - {"evaluate", "adapt"}
    there = {path.name for path in (folder / "runs" / "mt10").iterdir()}
    measured = {"conflicts.json", "conflicts.svg", "affinity.json"}
    measured |= {"mixture", "mixture.json"}  # Of a run with --mixture learned.
    assert named - measured <= there | {"--start", "--evaluate-every"}
    assert {name for name in there if not name.startswith(".")} <= named


def test_it_names_settings_that_there_are():
    named = set(re.findall(r"`--([a-z-]+)", GUIDE.partition("## Names of")[0]))
    known = {f.name.replace("_", "-") for f in fields(robomtl.TrainConfig)}
    of_the_verb = {
        "data",
        "help",
        "objective",
        "observe",
        "out",
        "start",
        "start-parts",
    }
    assert named - of_the_verb <= known
