import dataclasses

import pytest
from evaluations import evaluation, record
from test_results import SETTING, TIERS, records

from robomtl.evaluation.grid import outcome_grid
from robomtl.evaluation.results import Results
from robomtl.evaluation.video_clips import clips
from robomtl.pages.trial_cells import DENSE, Clip
from robomtl.task import Trial


@pytest.fixture
def grid():
    results = Results(setting=SETTING, records=records(), task_tiers=TIERS)
    return outcome_grid(results, {Trial("toy/MT4", "reach", 2): Clip("a.mp4", None)})


def test_rows_stand_under_their_tier_best_first(grid):
    assert [block.title for block in grid.blocks] == ["easy", "hard"]
    assert [row.name for row in grid.rows] == ["push", "reach", "stuck", "sweep"]
    assert [row.note for row in grid.rows] == ["10/10", "8/9", "0/0", "1/5"]


def test_cells_show_outcomes_in_the_order_of_the_plan(grid):
    sweep = grid.rows[3].cells
    assert [cell.kind for cell in sweep] == [*["empty"] * 4, "half"]
    assert grid.rows[1].cells[9].kind == "cross"


def test_a_cell_says_what_is_known_of_its_trial(grid):
    solved, lost = grid.rows[3].cells[4], grid.rows[1].cells[9]
    assert solved.outcome == "Solved after 40 steps, not at the end"
    assert solved.details == {
        "Variation": "4",
        "Repeat": "",
        "Instruction": "do sweep",
        "Length": "50 steps",
        "Reason": "",
    }
    assert lost.outcome == "Error"
    assert lost.details["Reason"] == "step 3: it blew up"
    assert grid.rows[3].cells[0].outcome == "Not solved in 50 steps"


def test_the_legend_counts_the_kinds_there_are(grid):
    found = {kind.meaning: number for kind, number in grid.legend}
    assert found == {
        "solved": 18,
        "solved, not at the end": 1,
        "not solved": 5,
        "error": 3,
    }


def test_only_trials_with_a_video_have_a_clip(grid):
    found = [cell.clip for cell in grid.rows[1].cells]
    assert found[2] == Clip("a.mp4", None)
    assert found.count(None) == 9


def test_the_script_is_told_each_text_once(grid):
    reach = grid.data[1]
    assert reach["name"] == "reach"
    column = next(column for column in reach["details"] if column[0] == "Instruction")
    assert column == ["Instruction", ["do reach"], [0] * 10]
    assert reach["clips"] == {2: [0, "a.mp4"]}


def test_cells_shrink_where_there_are_many():
    def of(number):
        return outcome_grid(evaluation({"push": "1" * number}), {})

    assert [of(number).dense for number in (DENSE - 1, DENSE)] == [False, True]


def test_a_repeat_is_told_apart():
    again = record("push", 0, True, repeat=2)
    results = dataclasses.replace(evaluation({"push": "1"}), records=(again,))
    assert outcome_grid(results, {}).rows[0].cells[0].details["Repeat"] == "2"


@pytest.fixture
def videos(tmp_path):
    """Three files of 10 bytes each."""
    found = {}
    for variation in range(3):
        path = tmp_path / "videos" / "a task" / f"{variation}-0.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0123456789")
        found[Trial("toy/MT4", "push", variation)] = path
    return found


def test_videos_are_embedded_until_the_budget_is_used_up(videos, tmp_path):
    found = list(clips(videos, tmp_path, budget=25).values())
    assert [clip.data for clip in found] == [
        "MDEyMzQ1Njc4OQ==",
        "MDEyMzQ1Njc4OQ==",
        None,
    ]


def test_links_lead_from_the_folder_of_the_page(videos, tmp_path):
    links = [clip.link for clip in clips(videos, tmp_path / "runs").values()]
    assert links[0] == "../videos/a%20task/0-0.mp4"


def test_a_video_that_is_missing_is_refused(tmp_path):
    trial = Trial("toy/MT4", "push", 0)
    with pytest.raises(FileNotFoundError, match="gone.mp4"):
        clips({trial: tmp_path / "gone.mp4"}, tmp_path)
