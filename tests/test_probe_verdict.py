import pytest
from probes import RIGHT, SHUFFLED, found, many

from robomtl.experiments.probe.probe_report import probe_report
from robomtl.experiments.terminal_report import tables_of


def words(letters, tasks=("push", "reach")):
    return dict.fromkeys(tasks, letters)


def test_a_policy_that_loses_success_uses_its_instruction():
    verdict = found(right=RIGHT, shuffled=SHUFFLED).verdict
    assert verdict.word == "uses"
    assert verdict.families == ()
    assert verdict.sentence.startswith(
        "film uses its instruction: right minus shuffled is +85.0 points (+"
    )
    assert verdict.sentence.endswith(") over the 2 tasks that share scenes.")


def test_a_policy_that_does_the_same_whatever_it_is_told_ignores_it():
    half = words("1111100000" * 5)
    verdict = found(right=half, shuffled=half).verdict
    assert verdict.word == "ignores"
    assert "film IGNORES its instruction: right minus shuffled is +0.0" in (
        verdict.sentence
    )
    assert verdict.sentence.endswith(", entirely within the margin of 10 points.")


def test_a_difference_below_the_margin_is_no_use_of_the_instruction():
    right, shuffled = words("1" * 400), words("1" * 390 + "0" * 10)
    given = {"right": right, "shuffled": shuffled}
    assert found(**given).verdict.word == "ignores"
    assert found(**given, margin=0.02).verdict.word == "uses"


@pytest.mark.parametrize(
    ("right", "shuffled"),
    [
        ("1111100000", "1110000001"),  # +20 points, the interval from about 0 to 40.
        ("11", "10"),
    ],
)
def test_an_interval_that_reaches_beyond_the_margin_tells_nothing(right, shuffled):
    verdict = found(right=words(right), shuffled=words(shuffled)).verdict
    assert verdict.word == "undecided"
    assert "Whether film uses its instruction is undecided" in verdict.sentence
    assert (
        "includes zero and exceeds the margin of 10 points; about" in verdict.sentence
    )
    assert (
        f"are needed for an interval within it, {2 * len(right)} so far"
        in verdict.sentence
    )


def test_a_policy_that_solves_nothing_has_nothing_to_lose():
    verdict = found(right=words("0" * 50), shuffled=words("0" * 50)).verdict
    assert verdict.word == "undecided"
    assert "since only 0.0% of trials succeed under the right instruction" in (
        verdict.sentence
    )


def test_a_policy_that_does_better_when_told_wrongly_is_not_said_to_ignore_it():
    verdict = found(right=SHUFFLED, shuffled=RIGHT).verdict
    assert verdict.word == "undecided"
    assert verdict.sentence.endswith(
        "under other instructions, which neither verdict explains."
    )


def test_one_family_that_shows_it_is_enough():
    families = {"table": ("a", "b")} | {n: (f"{n}1", f"{n}2") for n in "cdefghij"}
    tasks = [name for names in families.values() for name in names]
    right = words("1" * 50, tasks)
    verdict = found(
        families, right=right, shuffled={**right, **words("0" * 50, "ab")}, margin=0.2
    ).verdict
    assert verdict.word == "uses"
    assert verdict.families == ("table",)
    assert "uses its instruction in table; this is not shown over all scenes" in (
        verdict.sentence
    )


def test_without_shuffled_instructions_there_is_no_verdict():
    verdict = found(right=RIGHT, empty=SHUFFLED).verdict
    assert verdict.word == "undecided"
    assert "no trial was played under both right and shuffled" in verdict.sentence


def test_without_shared_scenes_only_use_of_the_instruction_can_be_shown():
    deaf = found({}, right=RIGHT, shuffled=RIGHT)
    assert deaf.ambiguous is None
    assert deaf.verdict.word == "undecided"
    assert "the suite names no tasks that share a scene" in deaf.verdict.sentence
    hearing = found({}, right=RIGHT, shuffled=SHUFFLED).verdict
    assert hearing.word == "uses"
    assert "over 3 tasks" in hearing.sentence


def test_differences_are_of_trials_that_both_finished():
    probed = many()
    held_out = probed.differences["held-out"]
    assert held_out.pairs == 27
    assert held_out.tasks["reach"].tally.a_alone == 2
    assert probed.kinds["held-out"].errors == 3
    assert probed.kinds["held-out"].tasks["push"].success == pytest.approx(7 / 9)


def test_a_family_counts_its_own_tasks_alone():
    probed = many()
    assert probed.families["table"].tasks == ("push", "reach")
    assert probed.families["table"].kinds["shuffled"].task_mean == pytest.approx(0.1)
    assert probed.families["cupboard"].differences["shuffled"].difference == (
        pytest.approx(0.45)
    )
    assert probed.ambiguous.tasks == ("push", "reach", "open")


def test_tasks_of_which_a_kind_has_nothing_to_tell_are_left_out_of_it():
    wrong = {"push": "0000000000"}
    probed = found(right=RIGHT, wrong=wrong)
    assert list(probed.kinds["wrong"].tasks) == ["push"]
    assert probed.differences["wrong"].difference == pytest.approx(0.9)
    told_wrongly = next(tables_of(probe_report(probed))).columns[2]
    assert [str(cell)[:4] for cell in told_wrongly.cells][:3] == ["0.0%", "–", "–"]


def test_success_is_counted_by_the_task_that_was_told():
    shuffled = {"push": "0x00000001", "reach": "0000010000", "open": "1111111111"}
    kinds = found(right=RIGHT, shuffled=shuffled).kinds
    assert kinds["right"].of_others == {}
    assert kinds["shuffled"].of_others == {
        "push": {"open": (1, 9)},
        "reach": {"open": (1, 10)},
    }


def test_a_family_that_was_not_played_is_left_out():
    probed = found({"table": ("lift", "drop")}, right=RIGHT, shuffled=SHUFFLED)
    assert probed.families == {}
    assert probed.ambiguous is None


def test_the_terminal_shows_success_and_differences():
    rates, differences = tables_of(probe_report(many()))
    rows = [
        [str(c) for c in row]
        for row in zip(*(c.cells for c in rates.columns), strict=True)
    ]
    assert [cell.partition("\n")[0] for cell in rows[0][:3]] == [
        "push",
        "90.0%",
        "90.0%",
    ]
    assert [row[0] for row in rows[-2:]] == ["task mean", "tasks that share scenes"]
    over = [str(cell) for cell in differences.columns[0].cells]
    assert over == ["All tasks", "table", "cupboard"]
    assert str(list(differences.columns[3].cells)[1]).startswith("+85.0\n+")
    assert "uses its" in str(differences.caption)
