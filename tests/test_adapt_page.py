import dataclasses
import re

import pytest
from adaptations import ABOUT, SHOTS, TASKS, findings, many, method, methods, requested
from test_report import Parsed

from robomtl.evaluation.statistics import Interval
from robomtl.experiments.adapt.method_findings import Efficiency
from robomtl.experiments.adapt.method_report import methods_report
from robomtl.experiments.adapt.ranking import Ranking
from robomtl.pages.lines import Line, Point, style, top_of
from robomtl.pages.rendering import report_page


def shown(found):
    return report_page(
        methods_report(found, request=requested(found), provenance=ABOUT)
    )


def section(text, name):
    (found,) = re.findall(
        rf'<section class="card[^"]*" id="{name}">.*?</section>', text, re.DOTALL
    )
    return found


def rows(text, name):
    return {row[0]: row[1:] for row in Parsed(section(text, name)).rows}


@pytest.mark.parametrize("found", [findings(), many()])
def test_the_page_is_whole_html_that_loads_nothing(found):
    text = shown(found)
    parsed = Parsed(text)
    assert parsed.open == []
    assert parsed.loads == []
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import", text)


def test_the_comparison_and_the_ranking_are_at_the_top():
    head = shown(findings()).partition('id="success"')[0]
    assert (
        "Benchmark transfer: tasks never seen in training, with visible goals."
        " 3 methods on 3 tasks, each with 3 seeds of training, 5 draws of the"
        " demonstrations and 20 trials per task." in head
    )
    assert "<b>No ranking: fewer than 2 methods.</b>" in head
    ranked = findings(ranking=Ranking(order=("a",), sentence="a is first."))
    assert "<b>a is first.</b>" in shown(ranked)


def test_hidden_goals_are_told():
    assert "Benchmark infer: hidden goals that only" in shown(
        findings(benchmark="infer")
    )


def test_success_by_shots_stands_in_a_table_with_intervals_and_area():
    found = rows(shown(findings()), "success")
    assert found["method"] == [*(f"K = {shots}" for shots in SHOTS), "nAUC"]
    assert found["scratch"][0] == "8.0%0.0–16.0"
    assert found["scratch"][-1] == "35.0%25.0–45.0"
    assert found["zero_shot"] == ["20.0%12.0–28.0", "–"]


def test_a_label_that_is_not_its_method_says_which_it_is():
    assert "headfinetune" in rows(shown(findings()), "success")


def test_the_difference_to_scratch_and_demonstrations_saved_are_told():
    found = rows(shown(findings()), "differences")
    assert found["zero_shot"][:2] == [
        "+10.0+0.0, +20.0",
        "-30.0-40.0, -20.0worse in 1 task",
    ]
    assert found["headfinetune"][-2:] == [
        "4×6 : 1.5",
        "–12; scratch does not reach it",
    ]
    assert "scratch" not in found


@pytest.mark.parametrize(
    ("scratch", "ours", "text"),
    [
        (6.0, 1.0, "≥ 6×6 : 1"),
        (1.0, 4.0, "≤ 0.25×1 : 4"),
        (1.0, 1.0, "–1 suffices for both"),
        (3.0, None, "–does not reach it"),
        (None, None, "–neither reaches it"),
    ],
)
def test_a_ratio_says_where_it_is_a_bound_or_unknown(scratch, ours, text):
    ratio = scratch / ours if scratch and ours else None
    each = Efficiency(success=0.5, scratch=scratch, method=ours, ratio=ratio)
    head = dataclasses.replace(methods()["head"], efficiency=(each, each))
    found = rows(shown(findings(methods() | {"head": head})), "differences")
    assert found["headfinetune"][-2] == text


def test_negative_transfer_names_methods_tasks_and_shots():
    text = shown(findings())
    assert "worse than scratch: zero_shot in push-ball (K = 2, 5, 10, 25).</p>" in text
    fine = findings({k: m for k, m in methods().items() if k != "zero_shot"})
    assert 'id="worse"' not in shown(fine)
    assert "No method is significantly worse than scratch in any task" in shown(fine)


def test_steps_that_were_tried_stand_beside_those_of_the_method():
    found = rows(shown(findings()), "steps")
    assert found["method"] == ["1", "10", "1,000", "own setting"]
    assert found["headfinetune"] == [
        "16.0%8.0–24.0",
        "24.0%16.0–32.0",
        "28.0%20.0–36.0",
        "32.0%24.0–40.0, 100 steps",
    ]
    titles = re.findall(r"<title>head, (\d[^:]*):", section(shown(findings()), "steps"))
    assert titles == [f"{n} gradient step{'s' * (n > 1)}" for n in (1, 10, 100)] + [
        "1,000 gradient steps"
    ]


def test_every_task_has_a_chart_and_a_table():
    tasks = section(shown(findings()), "tasks")
    assert re.findall(r"<figcaption><b>(.*?)</b>", tasks) == [*TASKS]
    assert re.findall(r"<h3>(.*?)</h3>", tasks) == [*TASKS]


def test_controls_show_what_is_lost_without_the_right_demonstrations():
    (_, right, wrong) = Parsed(section(shown(findings()), "controls")).rows
    assert right == ["head", "right", "", "32.0%", "24.0–40.0", ""]
    assert wrong == ["", "of another task", "", "8.0%", "0.0–16.0", "-30.0-40.0, -20.0"]


def test_forgetting_is_told_before_and_after():
    (_, before, after) = Parsed(section(shown(findings()), "forgetting")).rows
    assert before == ["head", "before", "", "90.0%", ""]
    assert after == ["", "after", "", "60.0%", "-30.0-40.0, -20.0"]


def test_costs_are_told_by_shots():
    found = rows(shown(findings()), "cost")
    assert found["scratch"] == [
        "0.5",
        "1",
        "2.5",
        "5",
        "12",
        "100",
        "25,600",
        "140,804",
    ]
    assert found["zero_shot"] == ["0.001", "0", "0", "0"]


def test_what_gave_up_is_told_with_its_reason_as_text():
    found = section(shown(findings()), "reasons")
    assert "2 adaptations given up" in found
    assert "It diverged. &lt;b&gt;The policy is as it was." in found


def test_settings_versions_and_hyper_parameters_are_shown():
    found = {row[0]: row[1:] for row in Parsed(shown(findings())).rows}
    assert found["Supports"] == ["5"]
    assert found["Processor"] == ["a processor"]
    assert found["Time"] == ["1 min 5 s"]
    assert found["robomtl commit"] == ["0123456"]
    assert found["Prior"] == ["–"]
    assert found["Probe"] == ["1"]
    assert found["Tasks"] == [", ".join(TASKS)]
    assert found["head.learning_rate"] == ["0.001"]
    assert found["head.objective"] == ["cloning"]


def test_what_was_not_looked_at_has_no_section():
    text = shown(findings({"finetune": method("finetune", 0.1, 0.1)}, tasks=TASKS[:1]))
    there = re.findall(r'<section class="card[^"]*" id="(\w+)"', text)
    assert there == ["ranking", "success", "cost", "facts"]


def test_methods_that_only_gave_up_have_a_page():
    lost = method(
        "finetune",
        0.1,
        0.1,
        shots={
            k: dataclasses.replace(
                methods()["scratch"].shots[k],
                task_mean=None,
                interval=None,
                tasks={},
                errors=9,
            )
            for k in SHOTS
        },
        area=None,
        cost={},
        reasons={"it diverged": 9},
    )
    text = shown(findings({"finetune": lost}))
    assert rows(text, "success")["finetune"][0] == "–9 errors"
    assert "9 adaptations given up" in text


def test_lines_differ_without_their_colour():
    looks = [style(place)[1:] for place in range(28)]
    assert len({*looks}) == 28


@pytest.mark.parametrize(("high", "top"), [(0.11, 0.2), (0.4, 0.4), (0.41, 1.0)])
def test_an_axis_ends_where_a_quarter_of_it_is_round(high, top):
    points = [Point(1, 0.1, Interval(0.0, high), "")]
    line = Line(name="a", style=style(0), points=points)
    assert top_of([line]) == top


def test_charts_of_tasks_have_the_same_axes():
    low = {"finetune": method("finetune", 0.1, 0.3)}
    tasks = section(shown(findings(low)), "tasks")
    assert len(re.findall(r">75</text>.*?>100</text>", tasks)) == 3
