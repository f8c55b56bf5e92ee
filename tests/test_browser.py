"""Behaviour of pages in a real browser, at the widths of a desktop and a phone."""

from pathlib import Path

import pytest
import sharings
from adaptations import findings, many
from chromium import MISSING, PROGRAM, chromium
from probes import many as probed
from test_adapt_page import shown
from test_compare import A, B
from test_compare_page import both_seeds, paired, seeds_page, verdict_page
from test_compare_sequential import judged
from test_multitask_page import shown as multitask_shown
from test_report import CONFIG
from test_report import page as report
from test_results import SETTING, TIERS, failed, records, solved

import robomtl
from robomtl.evaluation.results import Results
from robomtl.evaluation.video_clips import clips
from robomtl.experiments.compare.pairing import pair
from robomtl.experiments.probe.probe_report import probe_report
from robomtl.pages.rendering import report_page
from robomtl.task import Trial

pytestmark = [
    pytest.mark.usefixtures("forked_workers"),
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason=MISSING),
]

VIDEO = Path(__file__).parent / "two_frames.mp4"
SHOWN = "document.getElementById('details').innerText"
DIALOG = "document.querySelector('dialog')"
PLAYS = f"{DIALOG}.querySelector('video')?.videoWidth > 0"


def sides(selector):
    """A script for the left and right coordinates of an element."""
    box = f"document.querySelector('{selector}').getBoundingClientRect()"
    return f"[{box}.left, {box}.right]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pages of every kind, the report with videos inside it and beside it."""
    folder = tmp_path_factory.mktemp("pages")
    results = Results(setting=SETTING, records=records(), task_tiers=TIERS)
    videos = {Trial("toy/MT4", "push", variation): VIDEO for variation in (0, 3)}
    one = clips(videos, folder, budget=VIDEO.stat().st_size)
    lost = {
        Trial("toy/MT4", "push", 5): one[Trial("toy/MT4", "push", 3)]._replace(
            link="videos/gone.mp4"
        )
    }
    pages = {
        "report": report(results, provenance=CONFIG, videos=one | lost),
        "large": report(large(tasks=50, trials=50)),
        "dense": report(large(tasks=10, trials=1000)),
        "paired": paired(A, B),
        "seeds": seeds_page(robomtl.compare_seeds(*both_seeds())),
        "sequential": verdict_page(judged("bnbnAAAAAAAAAA"), pair(A, B).pairs),
        "adapt": shown(findings()),
        "multitask": multitask_shown(sharings.findings()),
        "methods": shown(many()),
        "probe": report_page(probe_report(probed())),
    }
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    return folder


def large(*, tasks, trials):
    names = [f"a-task-with-a-rather-long-name-{place}" for place in range(tasks)]
    rows = tuple(
        solved(name, i, 10 + i % 30) if (i * 7 + len(name)) % 3 else failed(name, i)
        for name in names
        for i in range(trials)
    )
    tiers = ("easy", "medium", "hard", "very hard")
    of_task = {name: tiers[place % 4] for place, name in enumerate(names)}
    return Results(setting=SETTING, records=rows, task_tiers=of_task)


@pytest.fixture
def at_desk(browser, folder):
    browser.open(folder / "report.html", width=1280)
    yield browser
    assert browser.complaints == []


PAGES = (
    "report",
    "large",
    "dense",
    "paired",
    "seeds",
    "sequential",
    "adapt",
    "multitask",
    "methods",
    "probe",
)


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_its_window_and_asks_for_nothing(browser, folder, name, width):
    path = folder / f"{name}.html"
    browser.open(path, width=width, touch=width < 500)
    assert browser.run("document.documentElement.scrollWidth") <= width
    outside = f"""[...document.querySelectorAll("main *")].filter(
        (element) => element.getBoundingClientRect().right > {width} + 1).length"""
    assert browser.run(outside) == 0
    # Videos that the page holds have addresses of their own, and nothing is loaded.
    assert [each for each in browser.requests if not each.startswith("blob:")] == [
        path.as_uri()
    ]
    assert browser.complaints == []


def test_hovering_over_a_cell_shows_its_trial(at_desk):
    at_desk.hover("button.cell.half")
    assert at_desk.run(SHOWN).split("\n") == [
        "sweep",
        "Solved after 40 steps, not at the end",
        "Variation",
        "4",
        "Instruction",
        "do sweep",
        "Length",
        "50 steps",
    ]
    at_desk.hover("h1")
    assert at_desk.run("document.getElementById('details').hidden")


def test_an_error_is_shown_with_its_reason(at_desk):
    at_desk.hover("button.cell.cross")
    assert "step 3: it blew up" in at_desk.run(SHOWN)


def test_keys_lead_from_cell_to_cell(at_desk):
    at_desk.run("document.querySelector('.cells button').focus()")
    for key, said in {
        "ArrowRight": ("push", "Variation\n1"),
        "ArrowDown": ("reach", "Variation\n1"),
        "End": ("reach", "step 3: it blew up"),
        "ArrowLeft": ("reach", "Not solved in 50 steps"),
        "Home": ("reach", "Variation\n0"),
        "ArrowUp": ("push", "Variation\n0"),
    }.items():
        at_desk.press(key)
        assert all(text in at_desk.run(SHOWN) for text in said), key
    at_desk.press("Escape")
    assert at_desk.run("document.getElementById('details').hidden")


def test_one_cell_of_a_row_is_reached_by_tab(at_desk):
    found = at_desk.run("document.querySelectorAll('.cells [tabindex=\"0\"]').length")
    assert found == len(TIERS)


def test_cells_have_names_for_those_who_do_not_see_them(at_desk):
    label = "document.querySelector('button.cell.half').getAttribute('aria-label')"
    assert at_desk.run(label) == (
        "sweep, Solved after 40 steps, not at the end, Variation 4, Instruction do sweep,"
        " Length 50 steps"
    )


@pytest.mark.parametrize("cell", ["first-child", "last-child"])
def test_details_stay_inside_the_window(browser, folder, cell):
    browser.open(folder / "large.html", width=375, touch=True)
    browser.tap(f".cells :{cell}")
    browser.wait("!document.getElementById('details').hidden")
    left, right = browser.run(sides("#details"))
    assert 0 <= left < right <= 375


def test_a_click_plays_the_video_that_the_page_holds(at_desk):
    at_desk.click("button.cell.video")
    at_desk.wait(PLAYS)
    assert at_desk.run(f"{DIALOG}.querySelector('h2').textContent") == (
        "push: Solved after 20 steps"
    )
    assert at_desk.run(f"{DIALOG}.querySelector('video').src.startsWith('blob:')")

    at_desk.click("dialog .close")
    at_desk.wait("document.querySelectorAll('dialog video').length === 0")
    assert not at_desk.run(f"{DIALOG}.open")
    assert at_desk.run("document.activeElement.classList.contains('video')")


def test_enter_plays_the_video_that_lies_beside_the_page(at_desk):
    at_desk.run("document.querySelectorAll('button.cell.video')[1].focus()")
    at_desk.press("Enter")
    at_desk.wait(PLAYS)
    assert at_desk.requests[-1] == VIDEO.as_uri()
    at_desk.press("Escape")
    at_desk.wait(f"!{DIALOG}.open")


def test_a_video_that_is_gone_is_named(browser, folder):
    browser.open(folder / "report.html", width=1280)
    browser.run("document.querySelectorAll('button.cell.video')[2].click()")
    browser.wait(
        f"{DIALOG}.innerText.includes('There is no video at videos/gone.mp4.')"
    )


def test_a_tap_shows_a_trial_and_plays_a_video(browser, folder):
    browser.open(folder / "report.html", width=375, touch=True)
    browser.tap("button.cell.half")
    browser.wait(f"{SHOWN}.includes('Solved after 40 steps')")
    browser.tap("button.cell.video")
    browser.wait(PLAYS)
    left, right = browser.run(sides("dialog"))
    assert 0 <= left < right <= 375


def test_a_pair_is_shown_with_both_sides(browser, folder):
    browser.open(folder / "paired.html", width=1280)
    browser.hover("button.cell.left")
    shown = browser.run(SHOWN)
    assert "Solved by A alone" in shown
    assert "A\nSolved after 7 steps" in shown
    assert "B\nNot solved in 50 steps" in shown


def test_ten_thousand_trials_open_at_once(browser, folder):
    browser.open(folder / "dense.html", width=1280)
    assert browser.run("document.querySelectorAll('button.cell').length") == 10_000
    timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    assert browser.run(timing) < 5_000  # Milliseconds; 450 beside other work.


def test_pointing_at_a_method_pales_the_lines_of_others(browser, folder):
    browser.open(folder / "adapt.html", width=1280)
    pale = """[...new Set([...document.querySelectorAll("#success .plot .pale")].map(
        (each) => each.dataset.line))]"""
    browser.hover("#success .legend li")
    assert browser.run(pale) == ["zero_shot", "head"]
    browser.hover("#success tr[data-line=head]")
    assert browser.run(pale) == ["scratch", "zero_shot"]
    browser.hover("h1")
    assert browser.run(pale) == []
