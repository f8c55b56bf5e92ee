import re

from sharings import ABOUT, COUNTS, TASKS, findings, requested
from test_compare_page import plain
from test_report import Parsed

from robomtl.experiments.multitask.arm_report import arms_report
from robomtl.experiments.terminal_report import tables_of
from robomtl.pages.rendering import report_page


def shown(found):
    return report_page(arms_report(found, request=requested(found), provenance=ABOUT))


def section(text, name):
    (found,) = re.findall(
        rf'<section class="card[^"]*" id="{name}">.*?</section>', text, re.DOTALL
    )
    return found


def rows(text, name):
    return {row[0]: row[1:] for row in Parsed(section(text, name)).rows}


def test_the_page_is_whole_html_that_loads_nothing():
    text = shown(findings())
    parsed = Parsed(text)
    assert parsed.open == []
    assert parsed.loads == []
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_comparison_and_its_answers_are_at_the_top():
    head = shown(findings()).partition('id="success"')[0]
    assert (
        "4 tasks learned together and alone: 4 arms, each from 1 seed of training, with"
        " 2, 5, 10, 25, 50 demonstrations and 50 trials of every task." in head
    )
    assert (
        "<b>together</b> beats single-task training up to 5 demonstrations, and no longer"
        " from 10 on; the difference falls to 0 at 10." in head
    )
    assert "together gains in 2 tasks: reach-v3 (N = 2, 5), push-v3 (N = 2)." in head
    assert (
        '<span class="warn">Negative transfer</span>: together loses in 1 task:'
        " peg-insert-side-v3 (N = 25, 50)." in head
    )


def test_the_absence_of_negative_transfer_is_reported():
    head = plain(shown(findings(losses={}))).partition('id="success"')[0]
    assert "No negative transfer: no task is significantly worse after Holm's" in head


def test_success_is_in_a_table_with_intervals_and_area():
    found = rows(shown(findings()), "success")
    assert found["arm"] == [*(f"N = {count}" for count in COUNTS), "nAUC"]
    assert found["alone"][0] == "34.1%30.1–38.1"
    assert "widetogether" in found  # An arm that is not called by its base.


def test_differences_and_crossovers_are_in_a_table_and_by_task():
    found = rows(shown(findings()), "differences")
    assert found["together"][0] == "+23.0+18.0, +28.0"
    assert found["together"][3].endswith("worse in 1 task")
    assert found["together"][-1] == "10demonstrations"
    assert found["alone_divided"][-1] == "≤ 2demonstrations"
    assert found["widetogether"][-1] == "none up to 50"
    for task in TASKS:
        assert task in found


def test_what_is_equal_and_what_it_took_is_reported():
    text = shown(findings())
    assert rows(text, "equal")["alone"] == [
        "4",
        "1,251,460",
        "5,005,840",
        "4,000",
        "32",
        "128,000",
    ]
    assert rows(text, "cost")["together"][-3:] == ["4,000", "512,000", "1,251,460"]
    assert f"{TASKS[0]}, first 50" in text


def test_affinities_are_drawn_with_tasks_that_go_together_beside_each_other():
    drawn = section(shown(findings()), "affinity")
    assert drawn.count("<title>A step on") == len(TASKS) ** 2
    places = [drawn.index(f">{name}</text>") for name in TASKS[:2]]
    between = drawn[min(places) : max(places)]
    assert not any(f">{name}</text>" in between for name in TASKS[2:])


def test_an_experiment_without_the_baseline_or_affinities_has_less():
    found = findings(baseline=None, differences={}, crossover={}, affinity={})
    text = shown(found)
    assert 'id="differences"' not in text and 'id="affinity"' not in text
    together = ["69.8%65.8–73.8", "1,251,460", "707", "–"]
    assert rows(text, "arms")["together"] == together


def test_trainings_that_diverged_are_reported():
    text = shown(findings(reasons={"wide": {"The loss is nan.": 2}}))
    assert "2 trainings diverged" in text and "The loss is nan." in text


def test_the_terminal_shows_success_and_differences_with_the_answers():
    success, differences = tables_of(arms_report(findings()))
    assert [str(cell) for cell in success.columns[1].cells][:2] == [
        "51.9%\n47.9–55.9",
        "34.1%\n30.1–38.1",
    ]
    assert str(next(differences.columns[1].cells)) == "+23.0\n+18.0, +28.0"
    assert "together beats single-task training up to 5" in differences.caption
