import dataclasses
import io
import json

import pytest
from evaluations import SETTING, evaluation, record
from rich.console import Console

import robomtl
from robomtl.evaluation.results import Results
from robomtl.experiments.compare.compare_report import paired_report
from robomtl.experiments.paired import Tally, difference_interval, mcnemar
from robomtl.experiments.terminal_report import tables_of

A = evaluation({"push": "1111111111", "reach": "1101101x00"}, agent="new")
B = evaluation(
    {"push": "1000000000", "reach": "1101111111"}, agent="old", fingerprint="def"
)


def shown(found):
    console = Console(width=140, file=io.StringIO())
    console.print(*tables_of(paired_report(found)))
    return " ".join(console.file.getvalue().split())


def test_trials_of_the_same_task_variation_and_repeat_are_pairs():
    found = robomtl.compare(A, B)

    assert found.tasks["push"].tally == Tally(1, 9, 0, 0)
    assert found.tasks["reach"].tally == Tally(5, 0, 3, 1)
    assert found.tally == Tally(6, 9, 3, 1)
    assert (found.a, found.b) == ("new", "old")


def test_the_order_of_trials_does_not_matter():
    turned = dataclasses.replace(A, records=A.records[::-1])
    assert robomtl.compare(turned, B).tally == robomtl.compare(A, B).tally


def test_a_trial_that_ended_in_an_error_is_no_pair_and_is_counted():
    found = robomtl.compare(A, B)
    assert (found.errors, found.tally.pairs) == (1, 19)
    assert "Excluded: 1 with an error" in shown(found)


def test_tasks_weigh_alike_in_the_means_and_pairs_in_the_test():
    found = robomtl.compare(A, B)

    assert found.success_a == pytest.approx((1 + 5 / 9) / 2)
    assert found.success_b == pytest.approx((0.1 + 8 / 9) / 2)
    assert found.difference == pytest.approx(found.success_a - found.success_b)
    assert found.interval.low < found.difference < found.interval.high
    assert found.p_value == mcnemar(Tally(6, 9, 3, 1))


def test_each_task_has_its_interval_and_a_p_value_corrected_for_their_number():
    tasks = robomtl.compare(A, B).tasks

    assert tasks["push"].interval == difference_interval(tasks["push"].tally)
    assert tasks["push"].p_value == 2 * 0.5**9
    assert tasks["push"].holm == 4 * 0.5**9
    assert tasks["reach"].holm == tasks["reach"].p_value == 0.25


def test_tasks_whose_interval_is_below_zero_are_those_with_negative_transfer():
    found = robomtl.compare(B, A)
    assert (found.worse, found.better) == (("push",), ())
    assert robomtl.compare(A, B).better == ("push",)
    assert "worse in 1 task and better in 0" in shown(found)


def test_a_difference_not_settled_says_how_many_more_trials_would():
    found = robomtl.compare(A, B)
    assert found.more_to_settle > 0
    assert f"{found.more_to_settle:,} more trials of each" in shown(found)


def test_a_settled_difference_needs_no_more_trials():
    found = robomtl.compare(
        evaluation({"push": "1111111111"}), evaluation({"push": "0000000011"})
    )
    assert found.more_to_settle == 0
    assert "They differ, at a level of 0.05" in shown(found)


def test_equal_outcomes_show_no_difference():
    found = robomtl.compare(A, A)
    assert (found.difference, found.p_value, found.more_to_settle) == (0, 1, None)
    assert "No difference was observed that more trials could settle" in shown(found)


def test_trials_and_tasks_of_one_side_only_are_counted_and_named():
    more = evaluation({"push": "11111111111", "reach": "1" * 10, "pull": "11"})
    found = robomtl.compare(more, B)

    assert (found.only_a, found.only_b, found.left_out) == (3, 0, ("pull",))
    assert "3 that only A played, 0 that only B played" in shown(found)
    assert "Tasks left out: pull." in shown(found)


def test_no_trial_in_common_is_refused_with_the_reason():
    shifted = tuple(
        dataclasses.replace(row, variation=row.variation + 50) for row in B.records
    )
    other = dataclasses.replace(B, records=shifted)
    with pytest.raises(ValueError, match="no trial in common: they share 2 tasks, and"):
        robomtl.compare(A, other)
    with pytest.raises(ValueError, match="they share no task, and are of the splits"):
        robomtl.compare(A, evaluation({"pull": "1"}))


def test_nothing_but_errors_is_refused():
    message = "Each of the 2 trials that A and B have in common ended in an error"
    with pytest.raises(ValueError, match=message):
        robomtl.compare(evaluation({"push": "x1"}), evaluation({"push": "1x"}))


@pytest.mark.parametrize(
    ("setting", "phrase"),
    [
        ({"split": "official"}, "split is 'fresh' in A and 'official' in B"),
        ({"horizon": 400}, "horizon is 50 in A and 400 in B"),
        ({"until": "success"}, "until is 'horizon' in A and 'success' in B"),
        ({"instructions": "none"}, "instructions is 'canonical' in A and 'none' in B"),
        ({"suite": "toy/MT3"}, "suite is 'toy/MT2' in A and 'toy/MT3' in B"),
        (
            {"options": {"horizon": 50}},
            "options.goals is 'observable' in A and None in B",
        ),
    ],
)
def test_other_conditions_are_refused_by_name_unless_asked_for(setting, phrase):
    other = dataclasses.replace(B, setting=dataclasses.replace(B.setting, **setting))
    with pytest.raises(ValueError, match=f"different conditions: .*{phrase}.*--across"):
        robomtl.compare(A, other)

    found = robomtl.compare(A, other, across=True)
    assert found.differing == (phrase,)
    assert phrase in shown(found)


def test_other_words_under_the_same_kind_of_instructions_are_refused():
    changed = tuple(dataclasses.replace(row, instruction="go") for row in B.records[:3])
    other = dataclasses.replace(B, records=changed + B.records[3:])
    with pytest.raises(ValueError, match="A and B had other instructions in 3 of 20"):
        robomtl.compare(A, other)


def test_other_versions_and_processors_are_told_and_not_refused():
    setting = dataclasses.replace(B.setting, versions={"python": "3.12"})
    found = robomtl.compare(A, dataclasses.replace(B, setting=setting))
    assert found.differing == (
        "versions.python is '3.11' in A and '3.12' in B",
        "versions.robomtl is '0.1.0' in A and None in B",
    )


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_that_is_no_fraction_is_refused(confidence):
    with pytest.raises(
        ValueError, match=f"confidence is {confidence}; give a fraction"
    ):
        robomtl.compare(A, B, confidence=confidence)


def test_folders_are_read_and_the_comparison_is_written(tmp_path):
    A.write(tmp_path / "a")
    B.write(tmp_path / "b")
    found = robomtl.compare(tmp_path / "a", str(tmp_path / "b"), out=tmp_path / "c")

    assert found == robomtl.compare(Results.read(tmp_path / "a"), B)
    data = json.loads((tmp_path / "c" / "comparison.json").read_text())
    fields = [field.name for field in dataclasses.fields(found)]
    assert list(data) == ["format", "kind", *fields]
    assert (data["format"], data["kind"]) == (1, "paired")
    assert data["tasks"]["push"]["tally"] == {
        "both": 1, "a_alone": 9, "b_alone": 0, "neither": 0
    }  # fmt: skip
    assert data["interval"] == list(found.interval)


def test_one_folder_as_both_is_refused(tmp_path):
    A.write(tmp_path / "a")
    same = f"{tmp_path}/../{tmp_path.name}/a"
    with pytest.raises(
        ValueError, match="A and B are both the evaluation in .*/a, whi"
    ):
        robomtl.compare(tmp_path / "a", same)
    with pytest.raises(ValueError, match="There is no .*b/results.json; .* not exist"):
        robomtl.compare(tmp_path / "b", tmp_path / "b")


def test_a_folder_without_an_evaluation_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no .*results.json"):
        robomtl.compare(tmp_path, A)


def test_repeats_of_a_variation_are_trials_of_their_own():
    twice = (record("push", 0, True), record("push", 0, False, repeat=1))
    results = Results(setting=SETTING, records=twice, task_tiers={"push": ""})
    assert robomtl.compare(results, results).tally == Tally(1, 0, 0, 1)


def test_the_table_lists_tasks_by_difference_below_the_mean():
    text = shown(robomtl.compare(A, B))
    assert text.index("task mean") < text.index("push") < text.index("reach")
    for words in ("A new, B old", "toy/MT2", "+90.0", "-33.3", "0.004", "+28.3"):
        assert words in text
