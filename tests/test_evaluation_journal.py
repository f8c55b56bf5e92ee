import json
import shutil

import pytest

from robomtl.evaluation import journal
from robomtl.evaluation.journal import read_head
from robomtl.evaluation.journal_lines import Done, Head, Session
from robomtl.evaluation.rollout import Outcome

pytestmark = pytest.mark.usefixtures("forked_workers")

PLAN = {"suite": "points/MT4", "episodes": 50, "versions": {"numpy": "2.4"}}
SOLVED = Outcome(True, False, 12, 50, None, 0.25)
LOST = Outcome(error="step 3: it blew up", seconds=0.5)
SIZES = (1, 2, 1, 1, 2)
SESSION = Session("a processor", 2)


def open_journal(path, plan=PLAN):
    return journal.open_journal(path, plan, SIZES)


def begin(path):
    begun = open_journal(path)
    begun.begin(SESSION)
    return begun


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "journal.jsonl"


def test_finished_chunks_are_found_again_with_their_sessions_and_time(path):
    begin(path).append(4, Done([SOLVED, LOST]), 1.5)
    open_journal(path).append(0, Done([SOLVED]), 0.5)

    found = open_journal(path)

    assert found.outcomes == {4: [SOLVED, LOST], 0: [SOLVED]}
    assert found.sessions == [SESSION]
    assert found.seconds == 2.0


def test_the_processors_that_chunks_were_played_on_are_found_again(path):
    begun = begin(path)
    begun.append(0, Done([SOLVED], "a processor of the cluster"), 1.0)
    begun.append(1, Done([SOLVED, LOST]), 1.0)

    assert open_journal(path).processors == {"a processor of the cluster"}


def test_what_a_plan_was_made_from_is_kept_as_it_was_last_and_not_compared(path):
    for folder in ("before", "after"):
        journal.open_journal(path, PLAN, SIZES, origin={"folder": folder})

    assert journal.read_head(path) == Head(plan=PLAN, origin={"folder": "after"})
    assert journal.read_head(path.with_name("none")) is None


@pytest.mark.parametrize("kept", [1, 30, 200])
def test_a_line_cut_short_by_a_kill_is_played_again(path, kept):
    begun = begin(path)
    begun.append(0, Done([SOLVED]), 1.0)
    whole = path.read_text()
    begun.append(1, Done([SOLVED, LOST]), 1.0)
    path.write_text(path.read_text()[: len(whole) + kept])

    found = open_journal(path)
    found.append(2, Done([LOST]), 1.0)

    assert set(open_journal(path).outcomes) == {0, 2}


def test_a_plan_cut_short_by_a_kill_is_begun_anew(path):
    open_journal(path)
    path.write_text(path.read_text()[:20])

    assert open_journal(path, PLAN | {"episodes": 10}).outcomes == {}


def test_another_plan_is_refused_naming_the_fields_that_differ(path):
    begin(path).append(0, Done([SOLVED]), 1.0)
    other = {"suite": "points/MT4", "episodes": 10, "versions": {"numpy": "2.5"}}
    message = (
        "run was begun with other settings; nothing in it was changed. Differing:"
        " episodes is 50 in the folder and 10 now; versions.numpy is '2.4' in the folder and '2.5'"
        " now. Give the same settings to resume, or another folder"
    )
    with pytest.raises(ValueError, match=message):
        open_journal(path, other)


def test_a_plan_of_which_nothing_was_finished_binds_nobody(path):
    begin(path)
    other = {**PLAN, "episodes": 10}
    open_journal(path, other)
    assert read_head(path).plan == other


def test_a_folder_removed_while_trials_are_played_is_not_made_again(path):
    begun = begin(path)
    shutil.rmtree(path.parent)
    message = "journal.jsonl was removed while robomtl worked in its folder"
    with pytest.raises(ValueError, match=message):
        begun.append(0, Done([SOLVED]), 1.0)
    assert not path.parent.exists()


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        '{"chunk": 1}',
        '{"chunk": 1, "seconds": 1.0, "outcomes": [{"sucess": true}]}',
        '{"chunk": 0, "seconds": 1.0, "outcomes": []}',
        '{"chunk": 5, "seconds": 1.0, "outcomes": [{"success": true}]}',
        '{"chunk": -1, "seconds": 1.0, "outcomes": [{"success": true}]}',
        '{"session": {}}',
        '{"session": 3}',
        '{"chunk": 0, "seconds": 1.0, "outcomes": [{"seconds": 1.0}]}',
        '{"chunk": 0, "seconds": 1.0, "outcomes": [{"success": true, "length": -1}]}',
        '{"chunk": 0, "seconds": 1.0, "outcomes": [{"success": true, "length": 1e30}]}',
        '{"chunk": 0, "seconds": NaN, "outcomes": [{"success": true}]}',
        '{"chunk": true, "seconds": 1.0, "outcomes": [{"success": true}]}',
        '{"chunk": 0, "seconds": 1.0, "outcomes": [{"success": 1}]}',
        '{"chunk": 0, "seconds": 1.0, "outcomes": [{"success": true}], "note": 1}',
        "[" * 100_000,
    ],
)
def test_a_broken_line_is_refused_with_its_number(path, line):
    begin(path).append(0, Done([SOLVED]), 1.0)
    path.write_text(path.read_text() + line + "\n")

    with pytest.raises(
        ValueError, match="journal.jsonl, line 4 .*(damaged|deeper).* Remove journal"
    ):
        open_journal(path)


def test_a_chunk_before_any_session_is_refused(path):
    open_journal(path).append(0, Done([SOLVED]), 1.0)
    with pytest.raises(
        ValueError, match="line 2 is damaged: a chunk before any session"
    ):
        open_journal(path)


def test_a_file_that_is_no_journal_is_refused(path):
    path.parent.mkdir()
    path.write_text(json.dumps({"loss": 3}) + "\n")
    with pytest.raises(
        ValueError, match=r"line 1 is damaged: .* missing required field plan"
    ):
        open_journal(path)


GROWING = {
    "suite": "points/MT4",
    "arms": {"alone": {"width": 8}},
    "chunks": {"alone/5": 1, "alone/10": 2},
}


def grow(path, **changes):
    return journal.open_growing(path, GROWING | changes, growing=["arms"])


def test_a_plan_that_grows_keeps_what_is_finished_and_where_it_stands(path):
    begun, places = grow(path)
    begun.begin(SESSION)
    begun.append(places["alone/10"], Done([SOLVED, LOST]), 1.0)

    more = {"arms": {"together": {"width": 8}}, "chunks": {"together/5": 3}}
    found, now = grow(path, **more)
    found.append(now["together/5"], Done([SOLVED] * 3), 1.0)

    assert now == {"alone/5": 0, "alone/10": 1, "together/5": 2}
    assert grow(path)[0].outcomes == {1: [SOLVED, LOST], 2: [SOLVED] * 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"suite": "points/MT6"},
            "suite is 'points/MT4' in the folder and 'points/MT6' now",
        ),
        (
            {"arms": {"wide": {}, "alone": {"width": 9}}},
            r"Differing: arms\.alone\.width is 8 in the folder and 9 now\.",
        ),
        (
            {"chunks": {"alone/5": 7}},
            "Differing: trials of alone/5 is 1 in the folder and 7 now\.",
        ),
    ],
)
def test_a_plan_that_grows_is_refused_where_it_says_otherwise(path, changes, message):
    begun, places = grow(path)
    begun.begin(SESSION)
    begun.append(places["alone/5"], Done([SOLVED]), 1.0)
    with pytest.raises(ValueError, match=message):
        grow(path, **changes)


def test_a_cell_that_the_machine_failed_is_tried_again_by_three_calls(path):
    begin(path)
    for call in range(3):
        found = open_journal(path)
        assert found.is_unfinished(0), call
        found.append(0, Done.failed("its process died", 1, retry=True), 1.0)
    assert not open_journal(path).is_unfinished(0)
    assert open_journal(path).outcomes[0] == [Outcome(error="its process died")]


def test_the_last_attempt_at_a_cell_counts(path):
    begin(path).append(0, Done.failed("its process died", 1, retry=True), 1.0)
    open_journal(path).append(0, Done([SOLVED]), 1.0)
    found = open_journal(path)
    assert found.outcomes == {0: [SOLVED]} and not found.is_unfinished(0)


def test_a_method_that_gave_up_is_not_tried_again(path):
    begin(path).append(0, Done.failed("It diverged.", 1), 1.0)
    assert not open_journal(path).is_unfinished(0)
    assert open_journal(path).done[0].reason == "It diverged."


def test_the_commit_is_that_of_sessions_that_computed(path):
    begun = open_journal(path)
    begun.begin(Session("a processor", 2, {"numpy": "2.4"}, "idle"))
    begun.begin(Session("a processor", 2, {"numpy": "2.4"}, "first"))
    begun.append(0, Done([SOLVED]), 1.0)
    again = open_journal(path)
    again.begin(Session("a processor", 1, {"numpy": "2.5"}, "second"))
    again.append(1, Done([SOLVED, LOST]), 1.0)
    again.begin(Session("a processor", 1, {"numpy": "2.6"}, "read"))
    made = open_journal(path).provenance()
    assert made["commit"] == "first; second"
    assert made["versions"] == {"numpy": "2.5"}


def test_a_journal_of_an_earlier_version_is_read(path):
    open_journal(path)
    cost = {"steps": 2, "samples": 32, "parameters": 9, "seconds": 0.5}
    lines = [
        {"session": {"processor": "a processor", "workers": 2}},
        {
            "chunk": 0,
            "seconds": 1.0,
            "processor": "a processor",
            "note": {"cost": cost, "reason": None, "measured": None},
            "outcomes": [{"success": True, "length": 3}],
        },
    ]
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    found = open_journal(path)
    assert found.done[0].cost.samples == 32 and not found.is_unfinished(0)
    assert found.provenance()["commit"] is None
