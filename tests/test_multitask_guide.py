"""Examples and statements of the guide of multi-task learning."""

import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import tyro

import robomtl
from robomtl.cli.flags import SuiteFlags
from robomtl.cli.labels import ArmFlags, arms_from
from robomtl.cli.main import main
from robomtl.cli.multitask import Multitask
from robomtl.errors import InputError
from robomtl.experiments.multitask.arm_cells import plan
from robomtl.experiments.multitask.arm_design import arms_of, tasks_of
from robomtl.experiments.multitask.arm_experiment import NOISE
from robomtl.experiments.multitask.arm_findings import MultitaskFindings
from robomtl.experiments.multitask.arm_recipes import ARM_RECIPES
from robomtl.experiments.multitask.arms import BASES, USUAL
from robomtl.experiments.multitask.crossover import Crossover

pytestmark = pytest.mark.usefixtures("forked_workers")

GUIDE = (Path(__file__).parent.parent / "docs" / "multitask.md").read_text()
(BLOCK,) = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
COMMANDS = re.findall(r"^    robomtl multitask ([^#\n]+)", GUIDE, flags=re.MULTILINE)
SMALL = {
    "steps=300, trials=20": "steps=2, trials=1, samples=2",
    '("points/MT4")': '("points/MT4", horizon=10)',
    "(2, 5)": "(2,)",
    'out="runs/points"': 'out="runs/points", compute=robomtl.Compute(workers=1)',
}
FEW = "--steps 2 --samples 2 --trials 1 --horizon 10 --workers 1 --demonstrations 1 2"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_understood(command):
    flags = tyro.cli(Multitask, args=shlex.split(command))
    request = arms_from(flags)
    suite = flags.make(flags.suite)
    tasks = tasks_of(suite, request.tasks)
    assert plan(request, arms_of(request), tasks, suite, tasks)


@pytest.mark.slow
def test_the_block_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    block = BLOCK
    for given, small in SMALL.items():
        assert given in block
        block = block.replace(given, small)
    exec(block, {"__name__": "__main__"})
    assert "single-task training" in capsys.readouterr().out
    assert (tmp_path / "runs/points/report.html").exists()
    for name in ("trials", "cells"):
        for column in pq.read_schema(f"runs/points/{name}.parquet").names:
            assert f"`{column}`" in GUIDE


@pytest.mark.slow
def test_the_command_shows_a_table_and_grows_with_another_arm(tmp_path, capsys):
    words = ["multitask", "points/MT4", *FEW.split(), "--out", str(tmp_path)]
    words += [
        "--tasks",
        "reach-red",
        "reach-blue",
        "--policy",
        "mlp",
        "--arms",
        "alone",
    ]
    assert main(words) == 0
    shown = capsys.readouterr()
    assert f"Report: {tmp_path / 'report.html'}" in shown.out
    steps = 2 * 2 * 2  # Of two tasks, each with 1 and with 2 demonstrations.
    last = rf"Gradient steps: {steps}/{steps}, .* alone/2/0/reach-blue [\d.]+% success; all [\d.]+% success\n"
    assert re.search(last, shown.err)
    more = ["pcgrad=together", "--settings", "pcgrad.training.aggregation=pcgrad"]
    assert main([*words, *more]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert [*results["arms"]] == ["alone", "pcgrad"]
    assert results["definitions"]["pcgrad"]["training"]["aggregation"] == "pcgrad"
    assert results["affinity"]["pcgrad"]["measurements"] == 2 * 2
    assert [*results["differences"]] == ["pcgrad"]
    assert main([*words, *more, "--reference", "pcgrad"]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert [*results["differences"]] == ["alone"]
    run = tmp_path / "runs" / "pcgrad" / "2-demonstrations" / "seed-0" / "all"
    assert robomtl.load(run).card.step == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--arms", "alone", "alone"], "The arm alone is named twice; give the second"),
        (["--settings", "wide.policy=mlp"], "Unknown arm to set 'wide'"),
        (["--reference", "alne"], "Unknown arm to compare with 'alne'. Did you mean"),
        (
            ["--settings", "width=5"],
            "'width=5' is not a setting; write ARM.NAME=VALUE, such",
        ),
    ],
)
def test_words_that_say_nothing_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        arms_from(tyro.cli(Multitask, args=["points/MT4", *words]))


def test_an_unknown_arm_of_a_recipe_is_refused_with_the_labels_of_the_recipe():
    recipe = ARM_RECIPES["worst-ten"].request
    flags = ArmFlags(arms=("unifrm",))
    expected = "Unknown arm 'unifrm'. Did you mean 'uniform'.*learned.*together"
    with pytest.raises(InputError, match=expected):
        arms_from(flags, recipe)
    made = arms_from(ArmFlags(arms=("uniform", "alone", "mine=together")), recipe)
    assert made.arms == {"uniform": "together", "alone": "alone", "mine": "together"}


def test_every_arm_flag_column_and_key_is_explained():
    suites = {each.name for each in fields(SuiteFlags)} | {"suite"}
    for flag in {each.name for each in fields(Multitask)} - suites:
        assert f"`--{flag.replace('_', '-')}`" in GUIDE
    for arm in BASES:
        assert re.search(rf"^\| `{arm}` \|", GUIDE, flags=re.MULTILINE)
    for each in (*fields(MultitaskFindings), *fields(Crossover)):
        assert f"`{each.name}`" in GUIDE, each.name


def test_the_defaults_are_those_of_the_guide():
    flags = tyro.cli(Multitask, args=["points/MT4"])
    assert flags.arms == USUAL
    rows = dict(re.findall(r"^\| (`--[^|]*`) \| ([^|]*) \|", GUIDE, flags=re.MULTILINE))
    assert rows["`--demonstrations`"] == " ".join(map(str, flags.demonstrations))
    assert rows["`--steps`, `--samples`"] == f"{flags.steps}, {flags.samples}"
    assert rows["`--trials`"] == str(flags.trials)
    assert rows["`--affinity`"] == str(flags.affinity)
    assert rows["`--data`, `--noise`"] == f"collected, {NOISE}"
    request = arms_from(flags)
    assert arms_of(request)["together"].training.validation == 0
