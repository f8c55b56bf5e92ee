import dataclasses

import pytest
from evaluations import SETTING, record

from robomtl.evaluation.panels import panels
from robomtl.evaluation.results import Results
from robomtl.evaluation.time_to_success import curves_of, solved_by


def trials(task, *steps, length=50):
    """A trial for each step at which it is solved; None for never."""
    return [
        dataclasses.replace(
            record(task, variation, step is not None),
            first_success_step=step,
            length=length,
        )
        for variation, step in enumerate(steps)
    ]


def evaluation(rows, tiers):
    return Results(setting=SETTING, records=tuple(rows), task_tiers=tiers)


def charts(results):
    return panels(curves_of(results), results.setting.horizon)


def test_the_share_rises_at_each_step_that_solves_a_trial():
    found = solved_by(trials("push", 10, None, 20, 10))
    assert found.steps == (10, 20)
    assert found.success_rates == (0.5, 0.75)


def test_shares_can_be_asked_for_at_any_step():
    found = solved_by(trials("push", 10, None, 20, 10))
    assert [found.success_rate_by(step) for step in (0, 9, 10, 19, 20, 500)] == [
        0.0,
        0.0,
        0.5,
        0.5,
        0.75,
        0.75,
    ]


def test_the_step_that_reaches_a_share_is_the_first():
    found = solved_by(trials("push", 10, None, 20, 10))
    assert [found.step_of(share) for share in (0.2, 0.5, 0.6, 0.8)] == [
        10,
        10,
        20,
        None,
    ]


def test_tasks_weigh_the_same_however_many_trials_they_have():
    found = solved_by([*trials("push", 5), *trials("reach", 10, None, None, None)])
    assert found.steps == (5, 10)
    assert found.success_rates == (0.5, 0.625)


def test_errors_are_left_out():
    found = solved_by([*trials("push", 10, None), record("push", 2, None)])
    assert found.success_rates == (0.5,)
    assert found.unsolved == (50,)


def test_a_task_without_an_outcome_weighs_nothing():
    assert solved_by([*trials("push", 10), record("reach", 0, None)]).success_rates == (
        1.0,
    )


def test_nothing_solved_is_a_curve_that_stays_at_zero():
    found = solved_by(trials("push", None, None))
    assert (found.steps, found.success_rates, found.success_rate_by(50)) == (
        (),
        (),
        0.0,
    )


def test_by_the_last_step_only_what_held_to_the_end_is_solved():
    lost, held = trials("push", 10, 20)
    lost = dataclasses.replace(lost, success_at_end=False)
    found = solved_by([lost, held], "last step")
    assert (found.steps, found.success_rates, found.unsolved) == ((20,), (0.5,), (50,))


def test_without_an_outcome_there_is_no_curve():
    assert solved_by([record("push", 0, None)]) is None


def test_a_curve_ends_at_the_success_rate():
    rows = trials("push", *range(1, 8)) + trials("reach", 3, None, 9)
    results = evaluation(rows, {"push": "", "reach": ""})
    assert solved_by(rows).success_rates[-1] == pytest.approx(
        results.task_mean, rel=1e-15
    )


def test_trials_cut_at_other_horizons_are_named_with_both():
    rows = trials("push", 5, None) + trials("reach", None, length=20)
    found = charts(evaluation(rows, {"push": "easy", "reach": "hard"}))
    assert found.unsolved.startswith("2 trials ended unsolved after 20 to 50 steps;")


def test_panels_are_of_all_tasks_and_of_each_tier():
    rows = trials("push", 5, None) + trials("reach", 25)
    found = charts(evaluation(rows, {"push": "hard", "reach": "easy"}))
    assert [panel.title for panel in found.curves] == [
        "all tasks 75.0%",
        "easy 100.0%",
        "hard 50.0%",
    ]
    assert [panel.half for panel in found.curves] == [
        "half by step 25",
        "half by step 25",
        "half by step 5",
    ]
    assert found.curves[0].points == [(5, 0.25), (25, 0.75)]


def test_a_suite_without_tiers_has_one_panel():
    found = charts(evaluation(trials("push", 5), {"push": ""}))
    assert [panel.title for panel in found.curves] == ["all tasks 100.0%"]
    assert found.unsolved == ""
