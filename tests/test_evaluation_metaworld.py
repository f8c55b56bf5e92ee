from pathlib import Path

import pyarrow.parquet as pq
import pytest
from wobbling import WobblingAgent

from robomtl.evaluation import EvaluationConfig, ExpertAgent
from robomtl.execution.compute import Compute
from robomtl.experiments.evaluating import evaluate
from robomtl.suites import suite

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("forked_workers")]

TASKS = ["push-v3", "drawer-open-v3", "window-close-v3"]


def play(out: Path, *, agent=None, workers=2, **options):
    return evaluate(
        agent or WobblingAgent(),
        suite("metaworld/MT10", horizon=120),
        out=out,
        config=EvaluationConfig(**{"tasks": TASKS, "episodes": 12, **options}),
        compute=Compute(workers=workers),
    )


def untimed(out):
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    play(out, workers=2)
    return out


def test_shaking_hands_succeed_now_and_then(whole):
    outcomes = untimed(whole)["success"].to_pylist()
    assert 0.1 < sum(outcomes) / len(outcomes) < 0.9


def test_meta_world_trials_are_the_same_for_any_number_of_workers(whole, tmp_path):
    play(tmp_path, workers=7)
    assert untimed(tmp_path).equals(untimed(whole))


def test_meta_world_trials_are_the_same_in_any_company(whole, tmp_path):
    play(tmp_path, tasks=TASKS[::-1], episodes=11, workers=1)

    rows = {(row["task"], row["variation"]): row for row in untimed(whole).to_pylist()}
    for row in untimed(tmp_path).to_pylist():
        assert row == rows[row["task"], row["variation"]]


def test_meta_world_experts_solve_fresh_variations_by_name_of_the_task(tmp_path):
    results = play(tmp_path, agent=ExpertAgent(), tasks=["reach-v3"], episodes=10)
    assert results.task_mean == 1.0
    assert list(results.tasks) == ["reach-v3"]


def test_experts_that_cannot_see_the_goal_are_refused(tmp_path):
    hidden = suite("metaworld/ML10")
    with pytest.raises(ValueError, match="Experts of metaworld/ML10 need the goal"):
        evaluate(ExpertAgent(), hidden, out=tmp_path)
