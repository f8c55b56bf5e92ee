"""Multi-task and single-task training: plans, budgets and findings."""

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import robomtl
from robomtl.evaluation.statistics import Interval
from robomtl.execution.compute import Compute
from robomtl.experiments.findings import Difference
from robomtl.experiments.multitask import MultitaskRequest, multitask
from robomtl.experiments.multitask.arm_cells import ALL, groups_of, plan
from robomtl.experiments.multitask.arm_design import arms_of, tasks_of
from robomtl.experiments.multitask.arms import USUAL
from robomtl.experiments.multitask.crossover import crossover
from robomtl.experiments.multitask.parameters import size_of
from robomtl.experiments.multitask.shared_data import check_same, hashes, read

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/MT4", horizon=20)
TASKS = ("reach-red", "reach-green")
SMALL = {"every": {"policy_config.width": 12, "policy_config.task_width": 4}}
REQUEST = MultitaskRequest(
    arms={"alone": "alone", "together": "together"},
    settings=SMALL,
    policy="mlp",
    demonstrations=(1, 2),
    tasks=TASKS,
    trials=3,
    steps=3,
    samples=2,
)


class Here:
    """Runs cells in this process; breaks off after some."""

    workers = 1

    def __init__(self, most=1000):
        self.most = most

    def map(self, work, items, kind=type):
        for index, item in enumerate(items[: self.most]):
            yield index, work(item)
        if len(items) > self.most:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "demonstrations"
    return robomtl.collect(
        SUITE,
        out,
        config=robomtl.CollectionConfig(episodes=3),
        compute=robomtl.Compute(workers=1),
    )


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "experiment"
    return out, multitask(
        SUITE, REQUEST, out=out, data=data.path, compute=Compute(executor=Here())
    )


def results(folder):
    return json.loads((folder / "results.json").read_text())


TWO = dict.fromkeys(TASKS, 2)
"""Two demonstrations of each task."""


def cells_of(request, tasks=TASKS):
    return plan(request, arms_of(request), tasks, SUITE, tasks)


@pytest.mark.slow
def test_results_are_by_arm_then_number_then_task(made):
    out, found = made
    there = results(out)["arms"]
    assert [*there] == ["alone", "together"]
    assert [*there["together"]] == ["1", "2"]
    for some in there.values():
        for success in some.values():
            assert 0 <= success["task_mean"] <= 1
            low, high = success["interval"]
            assert low <= success["task_mean"] <= high
            assert [*success["tasks"]] == [*TASKS]
    assert found.arms["alone"][2].trials == 6


@pytest.mark.slow
def test_tables_have_a_row_for_each_trial_and_each_policy(made):
    out, _ = made
    trials = pq.read_table(out / "trials.parquet")
    cells = pq.read_table(out / "cells.parquet")
    named = ["arm", "learned", "demonstrations", "seed"]
    assert trials.column_names[4:8] == cells.column_names[:4] == named
    assert trials.num_rows == 2 * 2 * 2 * 3  # Arms, numbers, tasks, trials.
    assert cells.num_rows == 2 * (1 + 2)
    assert {*cells["learned"].to_pylist()} == {ALL, *TASKS}


@pytest.mark.slow
def test_all_arms_read_the_same_and_take_as_many_samples_of_each_task(made, data):
    out, found = made
    for row in pq.read_table(out / "cells.parquet").to_pylist():
        tasks = TASKS if row["learned"] == ALL else (row["learned"],)
        read_there = [found.data[row["demonstrations"]][task] for task in tasks]
        assert row["data"].split(",") == read_there
        assert row["steps"] == 3 and row["samples"] == 3 * 2 * len(tasks)
        first = data.select(tasks[:1], row["demonstrations"])
        assert read_there[0] == first.fingerprint
    assert {each.samples_per_task for each in found.definitions.values()} == {6}
    one, other = (found.definitions[k].parameters for k in ("together", "alone"))
    assert one == other


@pytest.mark.slow
def test_a_finished_experiment_is_read_and_grows(made, data):
    out, found = made
    lines = (out / "journal.jsonl").read_text().splitlines()
    again = multitask(
        SUITE, REQUEST, out=out, data=data.path, compute=Compute(executor=Here())
    )
    assert again == found
    assert len((out / "journal.jsonl").read_text().splitlines()) == len(lines)
    more = replace(
        REQUEST,
        arms={**REQUEST.arms, "wide": "together"},
        settings={**SMALL, "wide": {"policy_config.width": 16}},
        demonstrations=(1, 2, 3),
    )
    grown = multitask(
        SUITE, more, out=out, data=data.path, compute=Compute(executor=Here())
    )
    assert grown.arms["alone"][2] == found.arms["alone"][2]
    assert [*grown.arms["wide"]] == [1, 2, 3]
    added = [json.loads(line) for line in (out / "journal.jsonl").open()]
    chunks = [entry["chunk"] for entry in added if "chunk" in entry]
    assert len(chunks) == len({*chunks}) == 6 + 3 + 3  # wide, and the third number.
    assert (
        multitask(
            SUITE, REQUEST, out=out, data=data.path, compute=Compute(executor=Here())
        )
        == found
    )


@pytest.mark.slow
def test_two_processes_find_what_one_finds_and_a_stopped_experiment_goes_on(
    made, data, tmp_path
):
    _, found = made
    with pytest.raises(KeyboardInterrupt):
        multitask(
            SUITE,
            REQUEST,
            out=tmp_path,
            data=data.path,
            compute=Compute(executor=Here(most=2)),
        )
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert sum('"chunk"' in line for line in lines[1:]) == 2
    again = multitask(
        SUITE, REQUEST, out=tmp_path, data=data.path, compute=Compute(workers=2)
    )
    assert again.arms == found.arms and again.affinity == found.affinity


@pytest.mark.slow
def test_an_arm_of_the_same_label_with_other_settings_is_refused(made, data):
    out, _ = made
    other = replace(REQUEST, settings={"alone": {"policy_config.width": 10}, **SMALL})
    with pytest.raises(
        ValueError,
        match=r"arms\.alone\.policy_config\.width is 12 in the folder and 10 now",
    ):
        multitask(
            SUITE, other, out=out, data=data.path, compute=Compute(executor=Here())
        )


def test_a_conditioning_that_needs_an_encoder_is_refused_before_anything_is_collected(
    tmp_path,
):
    settings = {**SMALL, "together": {"conditioning": ("demonstration",)}}
    request = replace(REQUEST, settings=settings)
    with pytest.raises(ValueError, match="needs an objective that trains their"):
        multitask(SUITE, request, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_actions_that_are_not_predicted_are_refused_before_any_is_collected(tmp_path):
    settings = {**SMALL, "together": {"training.execute": 2}}
    with pytest.raises(
        ValueError, match="execute is 2, but the policy predicts chunks"
    ):
        multitask(SUITE, replace(REQUEST, settings=settings), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_demonstrations_are_collected_and_more_of_them_begin_alike(tmp_path):
    request = replace(
        REQUEST, arms={"together": "together"}, demonstrations=(1,), trials=1
    )
    first = multitask(SUITE, request, out=tmp_path, compute=Compute(workers=1))
    (tmp_path / "demonstrations-old").mkdir()  # A user's own.
    more = replace(request, demonstrations=(1, 2))
    second = multitask(SUITE, more, out=tmp_path, compute=Compute(workers=1))
    assert second.data[1] == first.data[1]
    assert {path.name for path in tmp_path.glob("demonstrations-*")} == {
        "demonstrations-1",
        "demonstrations-2",
        "demonstrations-old",
    }
    assert (
        multitask(SUITE, request, out=tmp_path, compute=Compute(workers=1)).arms
        == first.arms
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unconditioned", "untold"])
def test_an_arm_that_has_its_earlier_name_in_a_folder_resumes(
    name, data, tmp_path, capsys
):
    arms = {"together": "together", "unconditioned": "unconditioned"}
    request = replace(REQUEST, arms=arms, demonstrations=(1,), trials=1)
    first = multitask(
        SUITE, request, out=tmp_path, data=data.path, compute=Compute(executor=Here())
    )
    journal = tmp_path / "journal.jsonl"
    journal.write_text(journal.read_text().replace("unconditioned", "untold"))
    settings = {**SMALL, name: {"policy_config.width": 12}}
    again = replace(request, arms={"together": "together", name: name})
    again = replace(again, settings=settings, reference=name)
    found = multitask(
        SUITE, again, out=tmp_path, data=data.path, compute=Compute(executor=Here(0))
    )
    assert found.arms["untold"] == first.arms["unconditioned"]
    said = "The arm untold is now unconditioned." in capsys.readouterr().err
    assert said == (name == "untold")


@pytest.mark.slow
def test_a_training_that_diverges_is_told_and_in_no_rate(data, tmp_path):
    settings = {**SMALL, "together": {"training.learning_rate": 1e38}}
    request = replace(REQUEST, settings=settings, demonstrations=(1,), trials=1)
    found = multitask(
        SUITE, request, out=tmp_path, data=data.path, compute=Compute(executor=Here())
    )
    (reason,) = found.reasons["together"]
    assert "lower learning_rate" in reason
    assert found.arms["together"][1].task_mean is None
    assert found.differences == {}
    assert "1 training diverged" in (tmp_path / "report.html").read_text()


def test_every_arm_takes_the_same_steps_and_samples_of_each_task():
    request = replace(REQUEST, arms={name: name for name in USUAL}, seeds=2)
    cells = cells_of(request)
    assert len({cell.name for cell in cells}) == len(cells) == 2 * 2 * (2 + 2 * 2)
    for cell in cells:
        assert cell.steps == 3 and cell.batch == 2 * len(cell.tasks)
    sizes = [len(cell.tasks) for cell in cells]
    assert sizes == sorted(sizes, reverse=True)  # The longest first.


def test_all_arms_play_the_same_fresh_trials():
    request = REQUEST
    alone = [c for c in cells_of(request) if c.arm == "alone" and c.demonstrations == 1]
    (together,) = [
        c for c in cells_of(request) if c.arm == "together" and c.demonstrations == 1
    ]
    every = [trial for cell in alone for trial in cell.trials]
    assert len(every) == 2 * 3 and [*together.trials] == every
    assert {t.variation for t in every} <= {*SUITE.variations("reach-red", "fresh")}


def test_a_policy_of_one_task_is_told_as_much_as_one_of_all(data):
    kinds = ("language", "one_hot")
    request = replace(REQUEST, conditioning=kinds, arms={name: name for name in USUAL})
    arms, learned = arms_of(request), data.select(TASKS)
    sizes = {
        label: size_of(label, arm, learned, groups_of(arm, SUITE, TASKS, TASKS))
        for label, arm in arms.items()
    }
    assert sizes["alone"].each == sizes["together"].each
    assert sizes["alone"].total == 2 * sizes["together"].total
    assert sizes["unconditioned"].each < sizes["together"].each


@pytest.mark.parametrize(
    "policy",
    ["film", "mlp", "multi_head", "mixture_of_experts", "soft_modularization"],
)
def test_divided_policies_have_together_what_one_of_all_has(data, policy):
    request = MultitaskRequest(
        arms={"a": "alone_divided", "one": "together"}, policy=policy
    )
    arms = arms_of(request)
    groups = [(task,) for task in data.tasks]
    divided = size_of("a", arms["a"], data, groups)
    whole = size_of("one", arms["one"], data, [data.tasks])
    assert divided.networks == 4
    assert 0.97 * whole.each < divided.total <= whole.each
    wider = {k: v + 1 for k, v in divided.policy_config.items()}
    over = replace(arms["one"], learned="alone", policy_config=wider)
    assert size_of("a", over, data, groups).total > whole.each


def test_a_policy_too_small_to_divide_is_refused(data):
    settings = {"a": {"policy_config.width": 1, "policy_config.task_width": 1}}
    request = MultitaskRequest(arms={"a": "alone_divided"}, settings=settings)
    with pytest.raises(ValueError, match="even with a width of 1, more than the"):
        size_of("a", arms_of(request)["a"], data, [(task,) for task in data.tasks])


def test_a_cell_reads_the_first_episodes_of_its_tasks_and_keeps_all_indices(data):
    (cell,) = (
        c for c in cells_of(REQUEST) if c.learned == TASKS[1] and c.demonstrations == 2
    )
    chosen = read(data, TWO, cell, hashes(data, {2: TWO}))
    assert chosen.tasks == data.select(TASKS).tasks
    assert {*chosen.episodes.task.tolist()} == {chosen.tasks.index(TASKS[1])}
    first = data.select(TASKS[1:], 2)
    np.testing.assert_array_equal(chosen.state, first.state)


def test_arms_that_read_other_demonstrations_are_refused(data, tmp_path):
    wanted = hashes(data, {2: TWO})
    other = data.acting(np.zeros_like(data.action))
    message = (
        r"The arm alone reads other demonstrations of reach-red than the others: sha256"
        r" of the first 2 in .* is \w{12}, not \w{12}\. Arms are compared on the same"
    )
    with pytest.raises(ValueError, match=message):
        check_same("alone", tmp_path, hashes(other, {2: TWO}), wanted)
    (cell,) = (
        c for c in cells_of(REQUEST) if c.learned == TASKS[0] and c.demonstrations == 2
    )
    with pytest.raises(ValueError, match="The arm alone reads other demonstrations"):
        read(other, TWO, cell, wanted)


@pytest.mark.slow
def test_an_arm_with_data_of_its_own_is_refused_unless_they_are_the_same(
    data, tmp_path
):
    own = robomtl.collect(
        SUITE,
        tmp_path / "own",
        config=robomtl.CollectionConfig(episodes=2, seed=1),
        compute=robomtl.Compute(workers=1),
    )
    settings = {**SMALL, "together": {"data": str(own.path)}}
    request = replace(REQUEST, settings=settings)
    with pytest.raises(ValueError, match="The arm together reads other demonstrations"):
        multitask(
            SUITE,
            request,
            out=tmp_path / "out",
            data=data.path,
            compute=Compute(executor=Here()),
        )


def test_fewer_demonstrations_than_asked_for_are_refused(data, tmp_path):
    message = (
        r"has 3 demonstrations of reach-red, fewer than the 5 requested; request at most"
        r" 3, or give --data with more\."
    )
    with pytest.raises(ValueError, match=message):
        multitask(
            SUITE, replace(REQUEST, demonstrations=(5,)), out=tmp_path, data=data.path
        )
    assert not list(tmp_path.iterdir())


def test_demonstrations_of_another_suite_are_refused(data, tmp_path):
    with pytest.raises(ValueError, match=r"was recorded in points/MT4, but points/M"):
        multitask(
            robomtl.suite("points/ML4"),
            replace(REQUEST, tasks=None, demonstrations=(1,)),
            out=tmp_path,
            data=data.path,
        )


def test_a_single_task_is_refused():
    message = (
        "points/MT4 gives only one task to learn, reach-red; give a suite of several"
        " tasks, such as metaworld/MT10 or points/MT4, or name at least 2 tasks."
    )
    with pytest.raises(ValueError, match=message):
        tasks_of(SUITE, ("reach-red",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"a": "togther"}}, "Unknown arm 'togther'. Did you mean 'together'?"),
        ({"arms": {}}, "No arm was named; name at least 1 of together, apart,"),
        (
            {"arms": {"every": "alone"}},
            "label every addresses all arms in settings; giv",
        ),
        ({"arms": {"../a": "alone"}}, "is '../a', which also names a folder; use lett"),
        (
            {"arms": {"a.b": "alone"}},
            "is 'a.b', which also names a folder; use letters",
        ),
        (
            {"arms": {"": "alone"}},
            "is '', which also names a folder; use letters, digit",
        ),
        ({"settings": {"wide": {}}}, "Unknown arm to set 'wide'"),
        ({"policy": "flim"}, "Unknown policy 'flim'. Did you mean 'film'?"),
        ({"seeds": 0}, "seeds is 0; give at least 1."),
        (
            {"seeds": 2**62},
            "seeds is 4611686018427387904; give the number of.*, at most 1000",
        ),
        ({"demonstrations": ()}, r"demonstrations is \(\); give numbers of at least 1"),
        ({"demonstrations": (0, 2)}, r"demonstrations is \(0, 2\); give numbers of"),
        ({"demonstrations": (2, 2)}, "demonstrations names a number twice"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        arms_of(replace(REQUEST, **changes))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 5}, "Unknown setting of the arm together 'width'"),
        ({"training.rate": 5}, "Training of the arm together: Unknown setting 'rate'"),
        (
            {"training.instruction_augmentation.nois": 1},
            "'instruction_augmentation.nois'. Did you mean 'instruction_augmentation.noise'",
        ),
        (
            {"training.steps": 9},
            "together.training.steps would make the arms unequal; all have the same",
        ),
        (
            {"training.batch_size": 9},
            "together.training.batch_size would make the arms unequal",
        ),
        ({"training.learning_rate": -1}, "learning_rate is -1; give more than 0."),
        (
            {"training.evaluate_every": 9},
            "together.training.evaluate_every cannot be set: a policy is evaluated",
        ),
        (
            {"training.processes": 2},
            "together.training.processes cannot be set: each policy is trained by",
        ),
        (
            {"training.validation": 0.5},
            "hold out different fractions .* alone 0.0, together 0.5. Set every.training",
        ),
        (
            {"policy_config.widht": 5},
            "Policy 'mlp': Unknown .*'widht'. Did you mean 'width'",
        ),
        ({"policy": "replay"}, "Policy 'replay' is not trained but made by methods"),
    ],
)
def test_settings_that_do_not_fit_are_refused(setting, message):
    request = replace(REQUEST, settings={"together": setting})
    with pytest.raises(ValueError, match=message):
        arms_of(request)


def test_balancing_tasks_is_refused_where_a_policy_learns_one():
    message = (
        "alone.training.aggregation balances tasks, but every policy of the arm alone"
        " learns a single task; use it with an arm that learns tasks together."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        arms_of(
            replace(REQUEST, settings={"every": {"training.aggregation": "pcgrad"}})
        )
    arms = {"pcgrad": "together"}
    settings = {"pcgrad": {"training.aggregation": "pcgrad"}}
    request = replace(REQUEST, arms=arms, settings=settings)
    assert arms_of(request)["pcgrad"].training.aggregation == "pcgrad"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"training.weighting": "famo", "policy_config.loss": "gaussian"},
            "The arm together: 'famo' needs losses above 0, and the policy's loss 'gaus",
        ),
        (
            {"training.balancing.weights": [["reach-rad", 2]]},
            "The arm together: Unknown task in balancing.weights 'reach-rad'. Did you",
        ),
        (
            {"training.sampling": "validation_loss", "training.validate_every": 1},
            "The arm together: sampling 'validation_loss' needs held-out episodes",
        ),
        (
            {"policy": "multi_head", "conditioning": "none"},
            "The arm together: multi_head has a head for each of 2 tasks but no",
        ),
    ],
)
def test_arms_that_cannot_be_trained_are_refused_before_a_journal_is_begun(
    data, tmp_path, settings, message
):
    request = replace(REQUEST, settings={"together": settings})
    with pytest.raises(ValueError, match=message):
        multitask(
            SUITE,
            request,
            out=tmp_path,
            data=data.path,
            compute=Compute(executor=Here()),
        )
    assert not (tmp_path / "journal.jsonl").exists()


def test_settings_of_an_arm_come_before_those_of_all():
    settings = {
        "every": {"policy_config.width": 8, "training.learning_rate": 1e-4},
        "alone": {"policy_config.width": 9, "conditioning": "goal,language"},
    }
    arms = arms_of(replace(REQUEST, settings=settings))
    assert arms["together"].policy_config == {"width": 8}
    assert arms["alone"].policy_config == {"width": 9}
    assert arms["alone"].conditioning == ("goal", "language")
    assert {arm.training.learning_rate for arm in arms.values()} == {1e-4}


def curve(values, half=0.05):
    return {
        count: Difference(
            difference=value,
            interval=Interval(value - half, value + half),
            holm=0.01 if abs(value) > half else 0.5,
            tasks={},
            worse=(),
            better=(),
        )
        for count, value in values.items()
    }


def test_the_crossover_is_where_the_difference_falls_to_0_along_the_logarithm():
    found = crossover(curve({2: 0.2, 5: 0.1, 10: 0.02, 40: -0.02}))
    assert found.pays_up_to == 5 and found.reaches_zero == 10
    assert found.changes_sign == pytest.approx(20.0)  # Midway along the logarithm.
    assert found.sentence("single-task training") == (
        "beats single-task training up to 5 demonstrations, and no longer from 10 on; the"
        " difference falls to 0 at 20"
    )


def test_no_crossover_is_told_with_the_most_that_was_tried():
    found = crossover(curve({2: 0.2, 50: 0.1}))
    assert found.changes_sign is None and found.reaches_zero is None
    assert found.sentence("single-task training") == (
        "beats single-task training up to 50 demonstrations, the most tried; there is no"
        " crossover up to 50"
    )


def test_an_arm_that_never_pays_crosses_at_the_fewest():
    found = crossover(curve({2: -0.2, 50: 0.01}))
    assert (found.pays_up_to, found.reaches_zero, found.changes_sign) == (None, 2, 2.0)
    assert found.sentence("single-task training") == (
        "does not beat single-task training at any number up to 50 demonstrations; the"
        " difference is not above 0 at 2"
    )


def test_an_arm_that_pays_late_is_not_said_to_pay_before():
    found = crossover(curve({2: -0.2, 5: 0.2, 10: 0.01, 25: 0.1, 50: 0.0}))
    assert found.sentence("single-task training") == (
        "beats single-task training up to 25 demonstrations except at 2 and 10, and no"
        " longer from 50 on; the difference is not above 0 at 2"
    )


def test_the_run_directory_of_a_policy_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match="is the run directory of a policy"):
        multitask(SUITE, REQUEST, out=tmp_path)
