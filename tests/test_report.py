import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest
from test_results import SETTING, TIERS, failed, records

from robomtl.evaluation.formatting import counted, duration
from robomtl.evaluation.results import Results
from robomtl.experiments.evaluation_report import evaluation_report, write_report
from robomtl.pages.rendering import report_page
from robomtl.task import Trial

CONFIG = {
    "policy": "film",
    "training": {"steps": 2000, "rate": 0.001},
    "tags": ["a", "b"],
}


class Parsed(HTMLParser):
    """Rows of tables as lists of texts, widths of bars, and everything that loads."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.widths, self.loads, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if given.get("class") == "fill":
            self.widths.append(given["style"])
        found = [given[name] for name in ("src", "href") if name in given]
        self.loads += [each for each in found if not each.startswith("#")]
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data.strip()


@pytest.fixture
def results():
    return Results(setting=SETTING, records=records(), task_tiers=TIERS)


def page(results, **given):
    return report_page(evaluation_report(results, **given))


def rows(results, **given):
    return {row[0]: row[1:] for row in Parsed(page(results, **given)).rows}


def test_the_page_is_whole_html_that_loads_nothing(results):
    text = page(results, provenance=CONFIG)
    parsed = Parsed(text)

    assert parsed.open == []
    assert parsed.loads == []
    assert "default-src 'none'" in text
    assert "base-uri 'none'; form-action 'none'" in text
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_policy_of_the_page_allows_its_one_script_alone(results):
    text = page(results)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_every_task_has_a_row_with_its_numbers(results):
    found = rows(results)
    assert found["push"][1:] == ["100.0%", "10/10", "72.2–100.0", "100.0%", "20"]
    assert found["sweep"][1:] == ["20.0%", "1/5", "3.6–62.4", "0.0%", "40"]


def test_tasks_stand_under_their_tier_best_first(results):
    names = re.findall(r'data-name="([^"]+)"', page(results))
    assert names == ["easy", "hard", "push", "reach", "stuck", "sweep"]


def test_bars_are_as_wide_as_rates(results):
    widths = Parsed(page(results)).widths
    assert widths[2:] == ["width:100.00%", "width:88.89%", "width:20.00%"]


def test_every_trial_has_a_cell_under_its_tier(results):
    text = page(results)
    cells = re.findall(r'<button class="cell (\w+)"', text)
    assert [cells.count(kind) for kind in ("full", "half", "empty", "cross")] == [
        18,
        1,
        5,
        3,
    ]
    assert "solved, not at the end <b>1</b>" in text
    assert re.findall(r"<h3>(\w+)</h3>", text) == ["easy", "hard"]


def test_curves_are_of_all_tasks_and_of_each_tier(results):
    text = page(results)
    titles = re.findall(r"<figcaption><b>(.*?)</b>", text)
    assert titles == ["all tasks 69.6%", "easy 94.4%", "hard 20.0%"]
    assert "5 trials ended unsolved after 50 steps" in text


def test_without_an_outcome_there_are_no_curves():
    record_ = failed("reach", 0)
    lost = dataclasses.replace(record_, success=None, length=None, error="it died")
    results = Results(setting=SETTING, records=(lost,), task_tiers={"reach": "easy"})
    assert "Time to success" not in page(results)


def test_means_and_their_intervals_stand_at_the_top(results):
    text = page(results)
    summary = results.summary

    head = text[: text.index("data-name")]
    assert f"{results.task_mean:.1%}" in head
    assert f"{results.tier_mean:.1%}" in head
    assert f"{100 * summary.tier_mean_interval.low:.1f}" in head


def test_errors_are_shown_apart_with_their_reasons(results):
    text = page(results)
    assert "3 trials without an outcome" in text
    assert "step 3: it blew up" in text
    assert "its process died" in text
    assert "2 errors" in text


def test_a_run_without_errors_does_not_speak_of_them():
    rows = tuple(failed("reach", i) for i in range(3))
    results = Results(setting=SETTING, records=rows, task_tiers={"reach": "easy"})
    assert "without an outcome" not in page(results)


def test_a_suite_without_tiers_is_one_list(results):
    plain = dataclasses.replace(results, task_tiers=dict.fromkeys(TIERS, ""))
    text = page(plain)
    assert "Tier mean" not in text
    assert "All tasks" in text


def test_conditions_config_and_versions_are_shown(results):
    found = rows(results, provenance=CONFIG)

    assert found["Instructions"] == ["held-out"]
    assert found["goals"] == ["observable"]
    assert found["Horizon"] == ["50 steps"]
    assert found["training.steps"] == ["2000"]
    assert found["tags"] == ["a, b"]
    assert found["robomtl"] == ["0.1.0"]
    assert found["Processor"] == ["a processor"]


def test_a_strict_protocol_changes_what_the_page_counts(results):
    strict = dataclasses.replace(SETTING, protocol="strict", criterion="last step")
    text = page(dataclasses.replace(results, setting=strict))
    assert "A trial succeeds if the task is solved at its last step." in text
    assert "<b>hard 0.0%</b>" in text
    assert "solved, not at the end <b>1</b>" in text


def test_without_config_there_is_no_empty_section(results):
    assert "Configuration" not in page(results)


def test_markup_in_names_is_text(results):
    setting = dataclasses.replace(SETTING, agent="<b>film</b>")
    changed = dataclasses.replace(results.records[0], instruction="</script><b>film")
    markup = dataclasses.replace(
        results, setting=setting, records=(changed, *results.records[1:])
    )
    assert "<b>film" not in page(markup)


def test_the_report_is_written_as_one_file(results, tmp_path):
    write_report(tmp_path / "run" / "report.html", results)
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["report.html"]


def test_videos_that_fit_are_part_of_the_page(results, tmp_path):
    video = tmp_path / "videos" / "push" / "3-0.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"a video")
    trial = Trial("toy/MT4", "push", 3)
    write_report(tmp_path / "report.html", results, videos={trial: video})

    text = (tmp_path / "report.html").read_text()
    assert text.count('<button class="cell full video">') == 1
    assert '"clips": {"3": [0, "videos/push/3-0.mp4"]}' in text
    assert f'id="clip-0">{base64.b64encode(b"a video").decode()}</script>' in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.4, "4 s"), (65, "1 min 5 s"), (3600 * 2 + 61, "2 h 1 min")],
)
def test_times_are_told_in_their_two_largest_units(seconds, text):
    assert duration(seconds) == text


def test_one_thing_is_not_many():
    assert [counted(n, "task") for n in (0, 1, 2500)] == [
        "0 tasks",
        "1 task",
        "2,500 tasks",
    ]
