"""Figures of pages, as written SVG."""

from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from robomtl.evaluation.statistics import Interval
from robomtl.pages.heat_map import heat_map
from robomtl.pages.line_chart import line_chart
from robomtl.pages.lines import Chart, Line, Point, style
from robomtl.pages.step_chart import evidence_chart, share_chart


def line(name, place, *points):
    drawn = [
        Point(at, rate, Interval(0.0, 0.4), f"{name} at {at}") for at, rate in points
    ]
    return Line(name=name, style=style(place), points=drawn)


def shown(*lines, **given):
    chart = Chart(lines=lines, summary="Success by shots", **given)
    return ElementTree.fromstring(line_chart(chart, 400, 230))


def texts(root):
    return [each.text for each in root.iter("text")]


def marks(root, name):
    return [
        (float(mark.get("x")), float(mark.get("y")), mark.find("title").text)
        for group in root.iter("g")
        if group.get("data-line") == name
        for mark in group.iter("use")
    ]


def test_a_figure_says_in_words_what_it_shows_and_takes_the_colours_of_its_page():
    text = line_chart(Chart(lines=[line("a", 1, (1, 0.2))], summary="<b>"), 400, 230)
    root = ElementTree.fromstring(text)
    assert root.attrib["role"] == "img" and root.attrib["aria-label"] == "<b>"
    assert "var(--s1, #1f8377)" in text
    assert "http" not in text and "font-family" not in text and "<style" not in text


def test_marks_stand_on_a_logarithmic_axis_with_their_texts():
    found = marks(shown(line("a", 0, (1, 0.1), (10, 0.2), (100, 0.3))), "a")
    (x, y, text), middle, last = found
    assert text == "a at 1"
    assert middle[0] - x == pytest.approx(last[0] - middle[0], abs=0.02)
    assert middle[1] - y == pytest.approx(last[1] - middle[1], abs=0.02)


def test_lines_stand_beside_each_other_and_never_share_an_identifier():
    root = shown(line("a", 0, (1, 0.1)), line("b", 1, (1, 0.1)))
    assert 0 < marks(root, "b")[0][0] - marks(root, "a")[0][0] < 5
    found = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(found) == len(set(found))


def test_a_single_rate_at_zero_is_a_level_along_the_axis():
    root = shown(line("a", 0, (0, 0.2)), ticks=(1, 5))
    assert texts(root)[:3] == ["0", "1", "5"]
    (path, *_) = [
        p for g in root.iter("g") if g.get("data-line") for p in g.iter("path")
    ]
    _, start, *_, end = path.get("d").split("L")[0].split()[1:2] + path.get("d").split()
    assert len(marks(root, "a")) == 1 and float(end) == marks(root, "a")[0][1]


def test_numbers_that_have_no_room_are_not_named():
    assert texts(shown(line("a", 0, (1, 0.1)), ticks=(10, 11, 12, 1000)))[:3] == [
        "1",
        "10",
        "1,000",
    ]


def test_an_axis_goes_up_to_its_top():
    assert texts(shown(line("a", 0, (1, 0.1)), top=0.2))[-1] == "20"


def test_shares_rise_step_by_step_to_the_end():
    text = share_chart([(5, 0.25), (25, 0.75)], end=50, summary="s", beside=[(1, 0.5)])
    assert {"0", "50", "100"} <= set(texts(ElementTree.fromstring(text)))
    assert "stroke-dasharray" in text
    alone = share_chart([(5, 0.25)], end=50, summary="s")
    assert "stroke-dasharray" not in alone


@pytest.mark.parametrize("evidence", [(), (0.0, -0.3, 1.4)])
def test_evidence_is_drawn_against_what_settles_it(evidence):
    settled = 3 if evidence else None
    text = evidence_chart(evidence, threshold=1.3, settled=settled, summary="e")
    found = texts(ElementTree.fromstring(text))
    assert " settled from 20" in found
    assert {"1", "10"} <= set(found)


def test_a_matrix_has_a_square_for_each_pair_and_a_tree_where_it_fits():
    values = np.array([[1.0, -0.5], [0.0, 1.0]])
    seen = heat_map(
        ["a", "b"], values, list("wxyz"), links=linkage([[0.0], [1.0]]), summary="m"
    )
    root = ElementTree.fromstring(seen)
    assert [each.text for each in root.iter("title")] == list("wxyz")
    assert "var(--s3, #c05a12); fill-opacity: 0.5" in seen
    assert texts(root) == ["a", "b"]
    unsorted = linkage([[0.0], [9.0], [1.0]])
    bare = heat_map(
        list("abc"), np.eye(3), list("123456789"), links=unsorted, summary="m"
    )
    assert bare.count("--edge") < seen.count("--edge")


@pytest.mark.parametrize("name", ["$^$", "cost-$5-$6", "räch-目標", "~\\frac{<b>&"])
def test_any_name_of_a_task_is_shown_as_it_is(name, recwarn):
    links = linkage([[0.0], [1.0]])
    matrix = heat_map([name, "b"], np.eye(2), list("wxyz"), links=links, summary=name)
    assert texts(ElementTree.fromstring(matrix)) == [name, "b"]
    assert not recwarn


def test_a_tree_without_height_is_left_out_and_warns_of_nothing(recwarn):
    near = linkage([[0.0], [0.0]])  # As two tasks always are.
    flat = heat_map(["a", "b"], np.eye(2), list("wxyz"), links=near, summary="m")
    assert texts(ElementTree.fromstring(flat)) == ["a", "b"]
    assert not recwarn
    apart = linkage([[0.0], [1.0]])
    tree = heat_map(["a", "b"], np.eye(2), list("wxyz"), links=apart, summary="m")
    assert flat.count("--edge") < tree.count("--edge")
