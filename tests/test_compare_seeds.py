import dataclasses
import io
import json

import numpy as np
import pytest
from evaluations import evaluation
from rich.console import Console

import robomtl
from robomtl.evaluation.statistics import wilson
from robomtl.experiments.aggregates import improvements, iqm, trimmed
from robomtl.experiments.compare.seeds_report import seeds_report
from robomtl.experiments.seed_estimates import (
    improvement_estimate,
    iqm_difference,
    mean_estimate,
)
from robomtl.experiments.terminal_report import tables_of

# Scores (seed, task), and what rliable 1.2.0 says of them: metrics.aggregate_iqm,
# metrics.probability_of_improvement.
SCORES_A = np.array(
    [[0.9, 0.4, 0.1], [0.8, 0.6, 0.3], [1, 0.5, 0.2], [0.7, 0.3, 0.2], [0.9, 0.5, 0]]
)
SCORES_B = np.array([[0.8, 0.4, 0], [0.8, 0.2, 0.1], [0.9, 0.3, 0.2], [0.6, 0.4, 0.1]])


def seeds(rates, prefix):
    """An evaluation of each row: tasks of 10 trials with these numbers of successes."""
    return [
        evaluation(
            {
                f"task-{task}": "1" * round(10 * rate) + "0" * (10 - round(10 * rate))
                for task, rate in enumerate(row)
            },
            agent=f"{prefix}-{seed}",
            fingerprint=f"{prefix}-{seed}",
        )
        for seed, row in enumerate(rates)
    ]


def shown(found):
    console = Console(width=140, file=io.StringIO())
    console.print(*tables_of(seeds_report(found)))
    return " ".join(console.file.getvalue().split())


def test_the_aggregates_are_those_of_rliable():
    assert iqm(SCORES_A) == pytest.approx(0.47777777777777775, abs=1e-12)
    assert iqm(SCORES_B) == pytest.approx(0.35000000000000003, abs=1e-12)
    improvement = improvements(SCORES_A, SCORES_B).mean()
    assert improvement == pytest.approx(0.7333333333333334, abs=1e-12)


def many(rates, trials=10):
    """Trials of each seed in each task, by task."""
    solved = np.arange(trials) < np.round(trials * rates)[..., None]
    return {
        f"task-{n}": solved[:, n].astype(float)[:, None, None]
        for n in range(rates.shape[1])
    }


def test_the_influence_of_scores_is_that_of_the_interquartile_mean():
    kept, clipped = trimmed(SCORES_A)
    assert (kept * SCORES_A).sum() / kept.sum() == pytest.approx(iqm(SCORES_A))
    assert clipped.min() > 0 and clipped.max() < 1
    same = trimmed(np.full((4, 3), 0.5))
    assert same.kept.sum() == 6
    assert np.ptp(same.kept) == 0


def test_a_seed_that_is_lucky_in_all_tasks_is_one_draw():
    # Whichever the number of tasks, what is known are two policies.
    few, lots = (
        mean_estimate(many(np.tile([[0.2], [0.9]], (1, tasks))), 0.95)
        for tasks in (3, 30)
    )
    assert few.interval == pytest.approx(lots.interval, abs=0.02)
    assert lots.interval.high - lots.interval.low > 0.8


def test_the_probability_of_improvement_is_uncertain_where_every_seed_won():
    a, b = many(np.full((3, 4), 0.9)), many(np.full((2, 4), 0.1))
    found = improvement_estimate(a, b, 0.95)
    assert found.value == 1.0
    assert found.interval == pytest.approx(wilson(2, 2))


def test_other_trials_of_b_are_not_paired_with_those_of_a():
    a, b = many(SCORES_A), many(SCORES_B, trials=20)
    found = iqm_difference(a, b, 0.95)
    assert found.interval.low < found.value < found.interval.high


def drawn(seeds, generator):
    """Trials of seeds that are lucky or not in all of ten tasks, and in each."""
    rates = (
        np.linspace(0.4, 0.8, 10)[:, None]
        + 0.06 * generator.normal(size=(1, seeds))
        + 0.08 * generator.normal(size=(10, seeds))
    )
    solved = generator.random((10, seeds, 1, 1, 50)) < rates[..., None, None, None]
    return {f"task-{n}": some.astype(float) for n, some in enumerate(solved)}


@pytest.mark.parametrize("seeds", [2, 5])
def test_intervals_over_seeds_hold_about_as_often_as_they_say(seeds):
    # Where seeds were drawn anew within each task, these held in about half of cases.
    generator, held, repeats = np.random.default_rng(seeds), [], 80
    for _ in range(repeats):
        a, b = drawn(seeds, generator), drawn(seeds, generator)
        mean = mean_estimate(a, 0.95).interval
        difference = iqm_difference(a, b, 0.95).interval
        held.append(
            (mean.low <= 0.6 <= mean.high, difference.low <= 0 <= difference.high)
        )
    assert np.mean(held, axis=0).min() >= 0.9
    assert np.mean(held) <= 0.99


def test_two_methods_are_compared_over_their_seeds(tmp_path):
    found = robomtl.compare_seeds(
        seeds(SCORES_A, "a"), seeds(SCORES_B, "b"), out=tmp_path
    )

    assert found.iqm_a.value == pytest.approx(iqm(SCORES_A))
    assert found.mean_b.value == pytest.approx(SCORES_B.mean())
    assert found.difference.value == pytest.approx(iqm(SCORES_A) - iqm(SCORES_B))
    assert found.improvement.value == pytest.approx(0.73333333)
    assert found.tasks == ("task-0", "task-1", "task-2")
    assert found.b == ("b-0", "b-1", "b-2", "b-3")
    data = json.loads((tmp_path / "comparison.json").read_text())
    assert data["kind"] == "seeds"
    assert data["iqm_a"]["interval"] == list(found.iqm_a.interval)
    for words in ("5 and 4 seeds of training, 3 tasks", "47.8%", "+12.8", "73.3%"):
        assert words in shown(found)


def test_single_agents_are_refused():
    message = "Seeds of A: 1, of B: 4. Give at least 2 of each, and 5 or more"
    with pytest.raises(ValueError, match=message):
        robomtl.compare_seeds(seeds(SCORES_A, "a")[:1], seeds(SCORES_B, "b"))


def test_the_same_agent_twice_is_refused():
    ours = seeds(SCORES_A, "a")
    with pytest.raises(ValueError, match="A2 and B1 are the same agent; each seed"):
        robomtl.compare_seeds(ours[:2], ours[1:])


def test_other_conditions_are_refused_by_the_name_of_the_seed():
    ours, theirs = seeds(SCORES_A, "a"), seeds(SCORES_B, "b")
    setting = dataclasses.replace(theirs[1].setting, horizon=400)
    theirs[1] = dataclasses.replace(theirs[1], setting=setting)
    with pytest.raises(ValueError, match="horizon is 50 in A1 and 400 in B2"):
        robomtl.compare_seeds(ours, theirs)
    found = robomtl.compare_seeds(ours, theirs, across=True)
    assert found.differing == ("horizon is 50 in A1 and 400 in B2",)


def test_other_trials_are_refused():
    ours, theirs = seeds(SCORES_A, "a"), seeds(SCORES_B, "b")
    ours[2] = dataclasses.replace(ours[2], records=ours[2].records[:-3])
    with pytest.raises(ValueError, match="A1 and A3 differ in 3 trials; evaluate all"):
        robomtl.compare_seeds(ours, theirs)


def test_tasks_without_an_outcome_everywhere_are_left_out_and_named():
    ours = [
        evaluation({"push": "10", "reach": letters}, fingerprint=letters)
        for letters in ("xx", "1x")
    ]
    theirs = [
        evaluation({"push": "11", "reach": "11"}, fingerprint=name) for name in "bc"
    ]
    found = robomtl.compare_seeds(ours, theirs)

    assert (found.tasks, found.left_out, found.errors) == (("push",), ("reach",), 3)
    assert "excluded from all rates: 3" in shown(found)


def test_no_task_in_all_evaluations_is_refused():
    ours = [evaluation({"push": "x"}, fingerprint=name) for name in "ab"]
    theirs = [evaluation({"push": "1"}, fingerprint=name) for name in "cd"]
    with pytest.raises(ValueError, match="No task has an outcome in all evaluations"):
        robomtl.compare_seeds(ours, theirs)
