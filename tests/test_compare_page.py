import dataclasses
import math
import re

import pytest
from evaluations import evaluation, record
from test_compare import A, B
from test_compare_seeds import SCORES_A, SCORES_B, seeds
from test_compare_sequential import judged, play
from test_report import Parsed

import robomtl
from robomtl.experiments.compare.compare_report import paired_report, verdict_report
from robomtl.experiments.compare.pair_grid import pair_grid
from robomtl.experiments.compare.pairing import pair
from robomtl.experiments.compare.seeds_report import seeds_report
from robomtl.pages.rendering import report_page


def paired(a, b, **options):
    found = robomtl.compare(a, b, **options)
    return report_page(paired_report(found, pair(a, b, across=True).pairs))


def seeds_page(found):
    return report_page(seeds_report(found))


def verdict_page(found, pairs):
    return report_page(verdict_report(found, pairs))


@pytest.fixture
def pages():
    return {
        "paired": paired(A, B),
        "seeds": seeds_page(robomtl.compare_seeds(*both_seeds())),
        "sequential": verdict_page(judged("bnbnAAAAAAAAAA"), pair(A, B).pairs),
    }


def both_seeds():
    return seeds(SCORES_A, "a"), seeds(SCORES_B, "b")


def rows(text):
    return {row[0]: row[1:] for row in Parsed(text).rows}


def plain(text):
    """Without the escapes of apostrophes and quotes."""
    return re.sub(r"&#3[49];", "'", text)


@pytest.mark.parametrize("kind", ["paired", "seeds", "sequential"])
def test_pages_are_whole_html_that_loads_nothing(pages, kind):
    text = pages[kind]
    parsed = Parsed(text)
    assert parsed.open == []
    assert parsed.loads == []
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import", text)


@pytest.mark.parametrize("tasks", [3, 7, 49])
def test_a_difference_of_100_points_has_a_page(tasks):
    a, b = (
        evaluation({f"task-{n}": letter * 10 for n in range(tasks)}, fingerprint=letter)
        for letter in "10"
    )
    assert "+100.0" in paired(a, b)


def test_the_mean_difference_and_its_test_stand_at_the_top():
    found = robomtl.compare(A, B)
    head = plain(paired(A, B)).partition("<table")[0]
    assert "<dd>+28.3<small>95% interval " in head
    assert f"p = {found.p_value:.3f}" in head
    assert "9 trials solved by A alone, 3 by B alone" in head


def test_tasks_stand_below_the_mean_by_difference():
    text = paired(A, B)
    names = re.findall(r'data-name="([^"]+)"', text)
    assert names == ["task mean", "push", "reach"]
    chart, difference, interval, sides, alone, p, holm = rows(text)["pushHolm"]
    assert (chart, difference, sides, alone) == ("", "+90.0", "100.0 : 10.0", "9 : 0")
    assert (interval, p, holm) == ("+45.6, +100.0", "0.004", "0.008")


def test_what_holds_after_correction_is_marked():
    text = paired(A, B)
    assert re.findall(r'class="name">(\w+)<span class="badge mark">Holm', text) == [
        "push"
    ]
    said = "A is worse in 0 tasks and better in 1, by McNemar's test with Holm's"
    assert said in plain(text)


def test_bars_reach_from_zero_to_the_difference():
    fills = re.findall(r'class="(fill[^"]*)" style="([^"]+)"', paired(A, B))
    assert fills[1] == ("fill", "left:50.00%;width:45.00%")
    assert fills[2] == ("fill b open", "left:33.33%;width:16.67%")


def test_the_axis_is_as_long_as_the_intervals_need():
    assert "<span>+100</span>" in paired(A, B)
    many = evaluation({"push": "1" * 400}), evaluation({"push": "1" * 399 + "0"})
    assert "<span>+10</span>" in paired(*many)


def test_tasks_where_a_is_worse_are_named_as_negative_transfer():
    assert 'id="worse"' not in paired(A, B)
    text = paired(B, A)
    assert "one by one: push.</p>" in text
    assert 'class="behind"' in text


def test_how_many_more_trials_would_settle_it_is_told():
    a, b = evaluation({"push": "1" * 8 + "0"}), evaluation({"push": "1" * 7 + "00"})
    found = robomtl.compare(a, b)
    assert f"{found.more_to_settle:,} more trials of each would settle" in paired(a, b)


def test_conditions_that_differ_are_told_in_a_box_of_their_own():
    assert 'id="warnings"' not in paired(A, B)
    other = dataclasses.replace(B, setting=dataclasses.replace(B.setting, horizon=400))
    text = paired(A, other, across=True)
    assert "Differing: horizon is 50 in A and 400 in B." in plain(text)


def test_who_solved_which_trial_is_a_grid():
    cells = re.findall(r'<button class="cell (\w+)"', paired(A, B))
    assert [cells.count(kind) for kind in ("left", "right", "both", "empty")] == [
        9,
        3,
        6,
        1,
    ]
    assert cells.count("cross") == 1


def test_pairs_show_who_solved_each_trial():
    a, b = evaluation({"push": "110x0"}), evaluation({"push": "1010x"})
    grid = pair_grid(pair(a, b).pairs, ["push"])
    cells = grid.rows[0].cells
    kinds = ["both", "left", "right", "cross", "cross"]
    assert [cell.kind for cell in cells] == kinds
    assert grid.rows[0].note == "1 : 1"
    assert cells[1].outcome == "Solved by A alone"
    assert cells[1].details["B"] == "Not solved in 50 steps"
    assert cells[3].outcome == "No pair"
    assert cells[3].details["Reason"] == "it blew up"


def test_pairs_count_as_solved_what_each_evaluation_does():
    lost = dataclasses.replace(record("push", 0, True), success_at_end=False)
    a = dataclasses.replace(evaluation({"push": "1"}), records=(lost,))
    strict = dataclasses.replace(a.setting, criterion="last step")
    b = dataclasses.replace(a, setting=strict)
    pairs = pair(a, b, across=True).pairs
    (cell,) = pair_grid(pairs, ["push"]).rows[0].cells
    assert cell.kind == "left"


def test_pairs_of_tasks_without_a_row_are_not_shown():
    a = evaluation({"push": "1", "reach": "x"})
    grid = pair_grid(pair(a, a).pairs, ["push"])
    assert [row.name for row in grid.rows] == ["push"]


def test_aggregates_over_seeds_have_a_row_each():
    found = robomtl.compare_seeds(*both_seeds())
    shown = rows(seeds_page(found))
    assert shown["IQM of A"][1] == f"{found.iqm_a.value:.1%}"
    assert shown["IQM"][1] == f"{100 * found.difference.value:+.1f}"
    assert shown["P(A improves on B)"][1] == f"{found.improvement.value:.1%}"


def test_evidence_is_drawn_against_what_settles_it():
    text = verdict_page(judged("bnbnAAAAAAAAAA" + "n" * 16), ())
    assert "A is better: E reached 20 after 11 pairs." in text
    assert "settled from 20" in text
    assert "E reached 180 in 20 pairs; settled from 20" in text


def test_a_verdict_without_a_pair_has_a_page():
    found = judged("x" * 3)
    assert found.evidence == ()
    assert "E has not reached 20" in verdict_page(found, ())


def test_the_verdict_holds_the_evidence_after_each_pair():
    found = judged("AAB")
    wins = [1.0, 1.5, 1.5 * 0.5 / 1.5 * 1.0]
    assert [math.exp(e) for e in found.evidence] == pytest.approx(wins)
    assert found.log_e == max(found.evidence)


def test_pages_are_written_beside_the_numbers(tmp_path):
    robomtl.compare(A, B, out=tmp_path / "paired")
    robomtl.compare_seeds(*both_seeds(), out=tmp_path / "seeds")
    play(tmp_path / "sequential")
    for kind in ("paired", "seeds", "sequential"):
        assert (tmp_path / kind / "comparison.json").exists()
        assert (tmp_path / kind / "comparison.html").exists()
    assert "Who solved which" in (tmp_path / "sequential/comparison.html").read_text()
