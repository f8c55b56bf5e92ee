import json
from dataclasses import replace

import pytest

from robomtl.cli.overrides import RunFlags, overridden, recipe_flags
from robomtl.demonstrations import Demonstrations
from robomtl.envs.points import PointsSuite
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.rollout import Outcome
from robomtl.execution.compute import Compute
from robomtl.execution.executor import InProcess
from robomtl.execution.machine import Machine
from robomtl.experiments.beyond.beyond_design import Design, plan
from robomtl.experiments.beyond.beyond_experiment import BEYOND_RECIPES, beyond
from robomtl.experiments.beyond.beyond_findings import findings_of
from robomtl.experiments.cells import Finished
from robomtl.suites import suite

POINTS = PointsSuite(variant="MT4", horizon=30)
TASKS = ("reach-red", "reach-blue")
QUICK = Design(
    policy="mlp",
    tasks=TASKS,
    demonstrations=2,
    rounds=2,
    episodes=2,
    steps=30,
    round_steps=4,
    samples=8,
    trials=3,
    arms=("demonstrations", "dagger"),
)
HERE = Compute(executor=InProcess(), machine=Machine(precision="float32"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("beyond")
    return out, beyond(POINTS, QUICK, out=out, compute=HERE)


def test_every_arm_has_trials_after_every_round(done):
    out, found = done
    assert [*found.success] == ["expert", "start", "demonstrations", "dagger"]
    assert [*found.success["dagger"]] == [1, 2]
    assert found.success["dagger"][2].trials == 6
    assert {"trials.parquet", "cells.parquet", "report.html"} <= {
        path.name for path in out.iterdir()
    }
    assert json.loads((out / "results.json").read_text())["success"]["expert"]["0"]


def test_rounds_add_episodes_of_variations_that_were_not_used_before(done):
    out, _ = done
    sets = [out / "demonstrations"]
    sets += [out / f"runs/dagger/seed-0/round-{number}/episodes" for number in (1, 2)]
    used = [{*Demonstrations(path).episodes.variation.tolist()} for path in sets]
    assert not used[0] & used[1] and not used[1] & used[2]
    assert [len(Demonstrations(path)) for path in sets] == [4, 4, 4]


def test_called_again_it_plays_nothing_and_finds_the_same(done):
    out, found = done
    before = (out / "journal.jsonl").read_bytes()
    assert beyond(POINTS, QUICK, out=out, compute=HERE) == found
    assert (out / "journal.jsonl").read_bytes() == before


def test_a_policy_that_solves_nothing_to_imitate_is_an_outcome_of_its_arm(
    tmp_path, capsys
):
    arms = ("self_imitation", "demonstrations")
    design = replace(QUICK, steps=1, rounds=1, arms=arms, noise=0.0)
    found = beyond(POINTS, design, out=tmp_path, compute=HERE)
    assert found.success["demonstrations"][1].trials == 6
    journal = (tmp_path / "journal.jsonl").read_text()
    assert "The policy solved none of 4 episodes" in journal
    assert capsys.readouterr().err.count("tried") == 1  # Of what is collected first.


def test_goals_are_gained_where_all_seeds_solve_what_the_expert_does_not():
    design = Design(arms=("dagger",), rounds=1, seeds=2, trials=3, tasks=TASKS)
    cells = plan(design, POINTS)
    solved = {"dagger": (1, 1, 0), "start": (0, 0, 0), "expert": (0, 1, 1)}
    finished = [
        Finished(cell, Done([Outcome(success=bool(it)) for it in solved[cell.arm] * 2]))
        for cell in cells
    ]
    found = findings_of(design, POINTS.name, TASKS, finished)
    first, _, last = (it.variation for it in cells[0].trials[:3])
    assert found.goals["dagger"]["reach-red"].gained == (first,)
    assert found.goals["dagger"]["reach-red"].lost == (last,)


def test_the_recipe_takes_another_suite_and_design():
    recipe = BEYOND_RECIPES["beyond-expert"]
    flags = recipe_flags(recipe, RunFlags(recipe="beyond-expert"), [])
    assert overridden(recipe, flags) == recipe


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arms": ("dager",)}, "Unknown arm 'dager'. Did you mean 'dagger'"),
        ({"arms": ("dagger", "dagger")}, "The arm dagger is named twice"),
        ({"arms": ()}, "No arm was named; name at least 1 of demonstrations"),
        ({"noise": 1.5}, "noise is 1.5; give a number from 0 to 1"),
        ({"rounds": 0}, "rounds is 0"),
    ],
)
def test_designs_that_allow_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Design(**settings)


def test_more_rounds_than_variations_are_refused(tmp_path):
    design = Design(rounds=10**6, tasks=TASKS)
    with pytest.raises(ValueError, match="give fewer rounds, episodes or demon"):
        beyond(POINTS, design, out=tmp_path)


def test_a_suite_of_several_robots_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has 2 robots or suites"):
        beyond(suite("points/two_robots"), Design(), out=tmp_path)
