import re

import pytest
from probes import RIGHT, SHUFFLED, found, many
from test_compare_page import rows
from test_report import Parsed

from robomtl.experiments.probe.probe_report import probe_report
from robomtl.pages.rendering import report_page


def page(found):
    return report_page(probe_report(found))


@pytest.fixture(scope="module")
def text():
    return page(many())


def test_the_page_is_whole_html_that_loads_nothing(text):
    parsed = Parsed(text)
    assert parsed.open == []
    assert parsed.loads == []
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_verdict_stands_at_the_top(text):
    head = text.partition("<dl")[0]
    assert many().verdict.sentence in head
    assert 'class="card" id="verdict"' in head


def test_a_policy_that_ignores_its_instruction_is_named_in_a_box_of_its_own():
    half = dict.fromkeys(("push", "reach"), "1111100000")
    text = page(found(right=half, shuffled=half))
    assert 'class="card alert" id="verdict"' in text
    assert "film IGNORES its instruction" in text


def test_differences_begin_with_that_which_decides(text):
    table = text.partition('id="differences"')[2].partition("</table>")[0]
    names = re.findall(r'data-name="([^"]+)"', table)
    assert names == ["shuffled", "paraphrased", "held-out", "empty", "wrong"]
    assert "27 pairs" in table and "+96.7" in table


def test_each_family_has_its_rates(text):
    titles = re.findall(r'id="rates of [^"]+">\n<div class="heading"><h2>([^<]+)', text)
    assert titles == ["All tasks", "table", "cupboard"]
    assert '<span class="soft small">reach, open</span>' in text
    assert "2 errors" in text


def test_every_task_has_its_success_by_kind(text):
    tasks = text.partition('id="tasks"')[2].partition("</section>")[0]
    right, paraphrased, held_out, *_ = rows(tasks)["push"]
    assert right.startswith("90.0%") and "59.6–98.2" in right
    assert held_out.startswith("77.8%")


def test_tasks_that_a_kind_leaves_out_are_dashes():
    text = page(found(right=RIGHT, wrong={"push": "0000000000"}))
    tasks = text.partition('id="tasks"')[2].partition("</section>")[0]
    assert rows(tasks)["open"][-1] == "–"


def test_trials_told_otherwise_stand_below_those_told_rightly(text):
    blocks = re.findall(r"<h3>(\w+)</h3>", text.partition('id="outcomes"')[2])
    assert blocks == ["push", "reach", "open"]
    assert len(re.findall(r'<button class="cell', text)) == 6 * 3 * 10
    assert '"Task"' in text


def test_how_tasks_went_that_were_told_of_others_is_shown(text):
    assert rows(text)["push"] == ["shuffled: open 1/10; wrong: open 1/10"]


def test_what_was_not_told_is_given_with_its_reason():
    text = page(
        found(right=RIGHT, shuffled=SHUFFLED, left_out={"wrong": "it makes no sense"})
    )
    assert "left out: it makes no sense" in text


def test_without_pairs_there_is_a_page():
    nothing = dict.fromkeys(("push", "reach"), "xx")
    text = page(found(right=nothing, shuffled=nothing))
    assert "no trial was played under both" in text
    assert Parsed(text).open == []
