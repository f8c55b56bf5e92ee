"""Files of an earlier version, in ``earlier``, are read and resumed; see 6e60fcf.

They were written by ``robomtl`` collect, train, evaluate, probe, adapt, multitask and compare
in November 2026, before features had names, on the suite ``points/ML4``.
"""

import json
import shutil
from pathlib import Path

import pytest

import robomtl
from robomtl.cli.main import main
from robomtl.versions import packages

pytestmark = pytest.mark.usefixtures("forked_workers")

FILES = Path(__file__).parent / "earlier"
FINISHED = {
    "probe": "probe run --episodes 2",
    "adapted": "adapt run --prior data --methods zero_shot finetune --shots 1 --supports 1"
    " --settings finetune.steps=2 --trials 1 --retained 1",
    "arms": "multitask points/ML4 --horizon 30 --data data --demonstrations 1 --steps 2"
    " --samples 2 --trials 1 --arms together alone",
    "compared": "compare --sequential run expert --suite points/ML4 --horizon 30"
    " --episodes 2",
}


@pytest.fixture
def earlier(tmp_path, monkeypatch):
    """The files, as if they had been computed with the installed packages."""
    folder = shutil.copytree(FILES, tmp_path / "earlier")
    for path in folder.glob("*/journal.jsonl"):
        head, *lines = path.read_text().splitlines()
        plan = json.loads(head)
        plan["plan"]["versions"] = packages()
        path.write_text("\n".join([json.dumps(plan), *lines, ""]))
    monkeypatch.chdir(folder)
    return folder


def outcomes(folder):
    """The lines of cells in a journal."""
    lines = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    return [line for line in lines if "chunk" in line]


def test_a_data_set_is_read(earlier):
    read = robomtl.Demonstrations(earlier / "data")
    assert read.suite == "points/ML4"
    assert read.suite_options == {"horizon": 30}
    assert read.tasks == ("reach-red", "reach-green", "reach-blue", "reach-flag")
    assert len(read) == 8


def test_a_policy_trains_on(earlier):
    config = robomtl.TrainConfig(steps=2, batch_size=8, threads=1)
    read = robomtl.Demonstrations(earlier / "data")
    trained = robomtl.train(read, out="new", start=earlier / "run", config=config)
    assert trained.card.config["width"] == 16


def test_a_finished_training_is_only_read(earlier):
    weights = (earlier / "run/policy.safetensors").read_bytes()
    words = "--steps 20 --batch 16 --architecture.width 16 --architecture.task-width 8"
    command = f"train --data data {words} --architecture.blocks 1 --out run"
    assert main(command.split()) == 0
    assert (earlier / "run/policy.safetensors").read_bytes() == weights


def test_an_evaluation_is_finished(earlier):
    there = outcomes(earlier / "evaluation")
    path = earlier / "evaluation/journal.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert main(["evaluate", "run", "--resume", "evaluation", "--workers", "1"]) == 0
    found = outcomes(earlier / "evaluation")
    assert found[:-1] == there[:-1]
    assert len(found) == len(there) == 4


@pytest.mark.parametrize("folder", FINISHED)
def test_a_finished_experiment_is_only_reported(folder, earlier):
    there = outcomes(earlier / folder)
    assert main([*FINISHED[folder].split(), "--workers", "1", "--out", folder]) == 0
    assert outcomes(earlier / folder) == there
    assert [*(earlier / folder).glob("*.html")]
