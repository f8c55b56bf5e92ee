import dataclasses
import io
import json
from collections import Counter
from dataclasses import dataclass

import pytest
from rich.console import Console
from wobbling import BROKEN, BrokenSuite, Here, WobblingAgent

import robomtl
from robomtl.envs.points import PointsSuite
from robomtl.evaluation import ExpertAgent
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.planning import planned
from robomtl.evaluation.records import read_records
from robomtl.evaluation.rollout import Outcome, roll
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LocalExecutor
from robomtl.experiments.compare import SequentialConfig
from robomtl.experiments.compare.compare_report import verdict_report
from robomtl.experiments.compare.rounds import rounds_of
from robomtl.experiments.compare.sequential import PairedChunk, PlayPairedChunk
from robomtl.experiments.compare.verdict import Judge
from robomtl.experiments.terminal_report import tables_of
from robomtl.files.lock import locked

pytestmark = pytest.mark.usefixtures("forked_workers")

POINTS = PointsSuite(variant="MT4", horizon=10)
CONDITIONS = Conditions(episodes=25, until="success")
CHUNKS = planned(POINTS, CONDITIONS).chunks


@dataclass(frozen=True, kw_only=True)
class Shaky(WobblingAgent):
    """Wobbles, under a name of its own."""

    @property
    def name(self):
        return "shaky"


@dataclass(frozen=True, kw_only=True)
class Twin(Shaky):
    """Does as ``Shaky`` does."""

    @property
    def fingerprint(self):
        return "twin"


EXPERT, SHAKY, HERE = ExpertAgent(), Shaky(), Here()


def play(out, *, a=EXPERT, b=SHAKY, executor=HERE, **options):
    made = options.pop("suite", POINTS)
    config = SequentialConfig(**{"conditions": CONDITIONS, **options})
    compute = Compute(executor=executor)
    return robomtl.compare_sequentially(
        a, b, made, out=out, config=config, compute=compute
    )


def judged(letters, **options):
    """The verdict on rounds of one task; a letter says who solved a trial."""
    solved = {"b": (1, 1), "A": (1, 0), "B": (0, 1), "n": (0, 0), "x": (None, 1)}
    some = planned(
        POINTS, Conditions(tasks=("reach-red",), episodes=len(letters))
    ).chunks
    options = {"test": "pairs", "alpha": 0.05, **options}
    judge = Judge(a="new", b="old", suite="toy", rounds=rounds_of(some), **options)
    played, left = {}, list(letters)
    for place, chunk in enumerate(some):
        pairs = [solved[left.pop(0)] for _ in chunk.trials]
        played[place] = [
            Outcome(
                success=None if one is None else bool(one), error="!" * (one is None)
            )
            for side in zip(*pairs, strict=True)
            for one in side
        ]
    return judge(played)


def test_a_round_has_a_chunk_of_each_task_and_mixes_their_trials():
    first, *_, last = rounds_of(CHUNKS, seed=1)

    assert [CHUNKS[c].trials[0].variation for c in first.chunks] == [1_000_000] * 4
    assert {CHUNKS[c].task for c in first.chunks} == {
        t.name for t in POINTS.train_tasks
    }
    for start in range(0, 40, 4):
        together = first.trials[start : start + 4]
        assert {place.chunk for place in together} == {*first.chunks}
        assert {place.trial for place in together} == {start // 4}
    assert len({tuple(p.chunk for p in first.trials[i : i + 4]) for i in range(9)}) > 1
    assert len(last.trials) == 20


def test_rounds_hold_every_trial_once_in_an_order_fixed_by_the_seed():
    places = [place for each in rounds_of(CHUNKS) for place in each.trials]

    assert Counter(Counter(places).values()) == {1: 100}
    assert rounds_of(CHUNKS) == rounds_of(CHUNKS)
    assert rounds_of(CHUNKS, seed=1) != rounds_of(CHUNKS)


def test_the_one_who_solves_alone_is_better_once_the_evidence_suffices():
    found = judged("bnbnAAAAAAAAAA" + "n" * 16)
    # 1 x 3/2 x 10/6 x 7/4 x ...: 20 is passed with the seventh.
    assert (found.better, found.settled_after) == ("a", 11)
    assert found.rounds == 2
    assert found.tally == dataclasses.replace(found.tally, both=2, a_alone=10)
    assert found.e_value > 20
    assert judged("B" * 10).better == "b"


def test_no_evidence_is_no_verdict():
    found = judged("bnAB" * 5)
    assert (found.better, found.settled_after, found.rounds) == (None, None, 2)
    assert found.e_value == 1.0


def test_evidence_that_came_and_went_has_settled_it():
    assert judged("A" * 7 + "B" * 3).better == "a"
    assert judged("A" * 7 + "B" * 3).log_e > judged("A" * 6 + "B" * 4).log_e


def test_streams_are_another_way_to_count():
    letters = "AnnnAbbAnbAA" * 2
    assert judged(letters, test="streams").log_e != judged(letters).log_e


def test_an_error_makes_no_pair():
    found = judged("xA" * 5)
    assert (found.errors, found.tally.pairs) == (5, 5)


def test_a_difference_is_settled_with_a_fraction_of_the_trials(tmp_path):
    found = play(tmp_path)

    assert found.better == "a"
    assert (found.rounds, found.tally.pairs) == (1, 40)
    assert found.settled_after < 40
    data = json.loads((tmp_path / "comparison.json").read_text())
    assert (data["kind"], data["better"]) == ("sequential", "a")


def test_trials_go_as_an_evaluation_has_them(tmp_path):
    play(tmp_path)
    chunk = CHUNKS[0]
    envs = [POINTS.make_env(chunk.task) for _ in chunk.trials]
    expected = roll(envs, Shaky().load(POINTS), chunk, until="success")
    found = [row for row in read_records(tmp_path / "trials_b.parquet")][:10]
    assert [row.success for row in found] == [one.success for one in expected]
    assert [row.length for row in found] == [one.length for one in expected]


def test_a_stopped_comparison_goes_on_and_ends_the_same(tmp_path):
    whole = play(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        play(tmp_path / "b", executor=Here(stop=2))
    assert play(tmp_path / "b") == whole
    journal = (tmp_path / "b" / "journal.jsonl").read_text()
    assert journal.count('"session"') == 2
    assert journal.count('"chunk":') == 1 + 4  # The plan names it too.


def test_a_settled_comparison_is_read_and_not_played(tmp_path):
    whole = play(tmp_path)
    assert play(tmp_path, executor=Here(stop=0)) == whole


def test_a_stricter_level_goes_on_where_a_lax_one_stopped(tmp_path):
    play(tmp_path, alpha=0.05)
    stricter = play(tmp_path, alpha=1e-12)
    assert stricter.rounds > 1


def test_processes_give_the_same_verdict(tmp_path):
    here = play(tmp_path / "here")
    there = play(tmp_path / "there", executor=LocalExecutor(workers=1))
    assert there == here


def test_equal_agents_use_up_the_trials(tmp_path):
    found = play(tmp_path, a=Shaky(), b=Twin())
    assert (found.better, found.tally.pairs, found.rounds) == (None, 100, 3)
    console = Console(width=140, file=io.StringIO())
    console.print(*tables_of(verdict_report(found)))
    assert "Not settled: E has not reached 20." in console.file.getvalue()


def test_the_table_says_who_is_better(tmp_path):
    console = Console(width=140, file=io.StringIO())
    console.print(*tables_of(verdict_report(play(tmp_path))))
    text = " ".join(console.file.getvalue().split())
    assert "A expert, B shaky" in text
    assert "A is better: E reached 20 after" in text
    assert "For equal agents this happens in at most 5% of cases" in text


def test_chunks_that_are_lost_are_errors(tmp_path):
    found = play(tmp_path, executor=Here(lost=0))
    assert (found.errors, found.tally.pairs) == (10, 30)
    lost = [row for row in read_records(tmp_path / "trials_a.parquet") if row.error]
    assert {row.error for row in lost} == {"it died"}


def test_an_unstable_simulator_is_an_error(tmp_path):
    suite = BrokenSuite(variant="MT4", horizon=10)
    found = play(tmp_path, suite=suite)
    assert (found.errors, found.tally.pairs) == (4, 36)
    lost = [row for row in read_records(tmp_path / "trials_b.parquet") if row.error]
    assert {row.variation for row in lost} == {BROKEN}


def test_an_agent_against_itself_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"A \(shaky\) and B \(shaky\) are the same ag"
    ):
        play(tmp_path, a=Shaky())


def test_another_comparison_in_the_folder_is_refused(tmp_path):
    play(tmp_path)
    other = dataclasses.replace(CONDITIONS, episodes=20)
    with pytest.raises(ValueError, match="episodes is 25 in the folder and 20 now"):
        play(tmp_path, conditions=other)


def test_a_folder_that_another_process_writes_into_is_refused(tmp_path):
    with locked(tmp_path), pytest.raises(ValueError, match="Another process is writ"):
        play(tmp_path)


@pytest.mark.parametrize("alpha", [0, 1, 5])
def test_a_level_that_is_no_fraction_is_refused(tmp_path, alpha):
    with pytest.raises(ValueError, match=f"alpha is {alpha}; give a fraction between"):
        play(tmp_path, alpha=alpha)


def test_an_unknown_test_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="Unknown test 'stream'. Did you mean 'streams"
    ):
        play(tmp_path, test="stream")


def test_both_agents_play_in_one_process_as_each_would_alone():
    both = PlayPairedChunk(ExpertAgent(), Shaky(), POINTS, "success")(
        PairedChunk(CHUNKS[0])
    ).outcomes
    alone = PlayChunk(Shaky(), POINTS, "success")(CHUNKS[0]).outcomes
    timeless = [dataclasses.replace(one, seconds=0.0) for one in both]
    assert timeless[10:] == [dataclasses.replace(one, seconds=0.0) for one in alone]
