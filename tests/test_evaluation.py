import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from wobbling import (
    BROKEN,
    BrokenSuite,
    DrawingSuite,
    StuckSuite,
    WobblingAgent,
    WordyAgent,
    python_path,
)

from robomtl.envs.points import PointsSuite
from robomtl.evaluation import EvaluationConfig, ExpertAgent, Results
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LocalExecutor
from robomtl.experiments.evaluating import evaluate
from robomtl.versions import versions

pytestmark = pytest.mark.usefixtures("forked_workers")

POINTS = PointsSuite(variant="MT6", horizon=16)
EPISODES = 25  # 18 chunks for 6 tasks.


@dataclass(frozen=True, kw_only=True)
class ExpertlessSuite(PointsSuite):
    def make_expert(self, task):
        raise ValueError(f"{self.name} has no expert for {task}.")


def play(out, *, agent=None, suite=POINTS, workers=2, executor=None, **options):
    return evaluate(
        agent or WobblingAgent(),
        suite,
        out=out,
        config=EvaluationConfig(**{"episodes": EPISODES, **options}),
        compute=Compute(workers=workers, executor=executor),
    )


def untimed(out):
    return pq.read_table(Path(out) / "trials.parquet").drop_columns(["seconds"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole")
    play(out, workers=2)
    return out


def test_a_run_leaves_results_trials_and_report(whole):
    names = {path.name for path in whole.iterdir()}
    assert names == {"results.json", "trials.parquet", "report.html", "journal.jsonl"}


def test_rows_stand_in_the_order_of_the_plan_with_what_was_told(whole):
    rows = untimed(whole).to_pylist()

    tasks = [task.name for task in POINTS.train_tasks for _ in range(EPISODES)]
    variations = list(range(1_000_000, 1_000_000 + EPISODES)) * len(POINTS.train_tasks)
    assert [row["task"] for row in rows] == tasks
    assert [row["variation"] for row in rows] == variations
    assert rows[0]["instruction"] == "reach the red target"


def test_the_agent_of_these_tests_is_neither_always_right_nor_always_wrong(whole):
    assert 0.2 < Results.read(whole).task_mean < 0.9


@pytest.mark.usefixtures("spawned_workers")
@pytest.mark.parametrize("workers", [1, 3])
def test_trials_are_the_same_for_any_number_of_workers(whole, tmp_path, workers):
    play(tmp_path, workers=workers)
    assert untimed(tmp_path).equals(untimed(whole))


def test_trials_are_the_same_whichever_tasks_and_episodes_are_evaluated(
    whole, tmp_path
):
    play(tmp_path, tasks=["push-ball", "reach-blue"], episodes=12)

    rows = {(row["task"], row["variation"]): row for row in untimed(whole).to_pylist()}
    for row in untimed(tmp_path).to_pylist():
        assert row == rows[row["task"], row["variation"]]


def test_a_worker_that_dies_within_a_chunk_changes_nothing(whole, tmp_path):
    agent = WobblingAgent(deadly=tmp_path / "deaths")

    play(tmp_path, agent=agent)

    assert agent.deadly.read_text() == "xx"
    assert untimed(tmp_path).equals(untimed(whole))


@pytest.mark.usefixtures("spawned_workers")
def test_trials_whose_process_always_dies_are_errors_and_the_rest_go_on(
    whole, tmp_path
):
    agent = WobblingAgent(deadly=tmp_path / "deaths", deaths=9)

    results = play(tmp_path, agent=agent, executor=LocalExecutor(attempts=2))

    lost = [record for record in results.records if record.error is not None]
    assert {record.error for record in lost} == {"its process was killed by SIGKILL"}
    assert [record.variation for record in lost] == list(range(1_000_010, 1_000_020))
    assert results.tasks["reach-blue"].trials == EPISODES - 10
    assert results.tasks["reach-blue"].errors == 10
    assert results.tasks["push-ball"] == Results.read(whole).tasks["push-ball"]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("unstable", r"step 3: it blew up"),
        ("bug", r"step 3: ZeroDivisionError: BADQACC \(wobbling.py, line \d+\)"),
        ("memory", r"step 3: MemoryError \(wobbling.py, line \d+\)"),
        ("exit", r"step 3: SystemExit: 3 \(wobbling.py, line \d+\)"),
        ("panic", r"step 3: Panic: rust \(wobbling.py, line \d+\)"),
        ("death", r"its process was killed by SIGKILL"),
    ],
)
def test_a_simulator_that_breaks_is_an_error_of_its_trial_and_of_no_other(
    whole, tmp_path, how, error
):
    suite = BrokenSuite(variant="MT6", horizon=16, how=how)
    executor, tasks = LocalExecutor(attempts=2), ["reach-blue", "push-ball"]
    results = play(tmp_path, suite=suite, executor=executor, tasks=tasks)

    rows = untimed(tmp_path).to_pylist()
    expected = [row for row in untimed(whole).to_pylist() if row["task"] in tasks]
    lost = [row for row in rows if row["variation"] == BROKEN]
    assert all(re.fullmatch(error, row["error"]) for row in lost)
    assert all(row["success"] is None for row in lost)
    assert [row for row in rows if row not in lost] == [
        row for row in expected if row["variation"] != BROKEN
    ]
    assert {task.errors for task in results.tasks.values()} == {1}
    assert {task.trials for task in results.tasks.values()} == {EPISODES - 1}


def test_draws_that_trials_side_by_side_share_are_warned_of_once(tmp_path, capsys):
    suite = DrawingSuite(variant="MT6", horizon=16)
    play(tmp_path / "alone", suite=suite, episodes=1)
    assert "global random generator" not in capsys.readouterr().err
    play(tmp_path / "together", suite=suite, episodes=2)
    warning = (
        "something drew from the global random generator of Python or of numpy, which they"
        " share, so their results may depend on one another. Give each env and each policy"
        " a generator of its own, or make the suite with one_env_per_process=True"
    )
    assert capsys.readouterr().err.count(warning) == 1


@pytest.mark.slow
def test_a_chunk_that_hangs_once_is_played_by_another_process(whole, tmp_path):
    suite = StuckSuite(variant="MT6", horizon=16, notes=tmp_path / "notes", times=1)

    play(tmp_path, suite=suite, executor=LocalExecutor(limit=5))

    assert suite.notes.read_text() == "xx"
    assert untimed(tmp_path).equals(untimed(whole))


@pytest.mark.slow
def test_a_trial_that_always_hangs_is_an_error_and_the_rest_go_on(whole, tmp_path):
    suite = StuckSuite(variant="MT6", horizon=16, notes=tmp_path / "notes", times=9)

    results = play(tmp_path, suite=suite, executor=LocalExecutor(limit=5, attempts=2))

    lost = [record for record in results.records if record.error is not None]
    assert {record.error for record in lost} == {"made no progress for 5 s"}
    assert [record.variation for record in lost] == [BROKEN]
    assert suite.notes.read_text() == "xx"
    assert results.tasks["push-ball"] == Results.read(whole).tasks["push-ball"]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    (tmp_path / ".trials.parquet.123.partial").write_text("half")
    play(tmp_path, tasks=["reach-red"], episodes=1, workers=1)
    assert not list(tmp_path.glob(".*"))


def test_results_name_the_workers_and_the_processors_that_played(tmp_path):
    executor = LocalExecutor(workers=3)
    results = play(tmp_path, tasks=["reach-red"], episodes=1, executor=executor)
    assert results.setting.workers == 3
    assert results.setting.processor == versions()["processor"]


def start(out, pause):
    """An evaluation in a process of its own, which takes its time."""
    script = out.parent / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            if __name__ == "__main__":  # Workers, which run it too, import no more.
                from robomtl.envs.points import PointsSuite
                from robomtl.evaluation import EvaluationConfig
                from robomtl.experiments.evaluating import evaluate
                from wobbling import WobblingAgent
                suite = PointsSuite(variant="MT6", horizon=16)
                agent = WobblingAgent(pause={pause})
                config = EvaluationConfig(episodes={EPISODES})
                evaluate(agent, suite, out={str(out)!r}, config=config)
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": python_path()}
    return subprocess.Popen(
        [sys.executable, str(script)], env=environment, stderr=subprocess.PIPE
    )


def wait_for_chunks(out, count, seconds=300):
    journal = Path(out) / "journal.jsonl"
    deadline = time.monotonic() + seconds
    while not journal.exists() or journal.read_text().count('"chunk"') <= count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_stopped_run_is_continued_and_ends_with_the_same_trials(whole, tmp_path):
    out = tmp_path / "run"
    process = start(out, pause=0.01)
    wait_for_chunks(out, 3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    finished = (out / "journal.jsonl").read_text().splitlines()
    assert not (out / "results.json").exists()

    results = play(out)

    assert 3 < len(finished) < 20
    assert (out / "journal.jsonl").read_text().startswith("\n".join(finished[:-1]))
    assert untimed(out).equals(untimed(whole))
    assert results.summary == Results.read(whole).summary


def test_a_finished_run_is_read_and_not_played_again(whole, tmp_path):
    before = (whole / "journal.jsonl").read_text()
    trials = pq.read_table(whole / "trials.parquet")

    play(whole, agent=WobblingAgent(deadly=tmp_path / "deaths", deaths=9))

    assert (whole / "journal.jsonl").read_text() == before
    assert pq.read_table(whole / "trials.parquet").equals(trials)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"suite": PointsSuite(variant="MT4", horizon=16)}, "suite is 'points/MT6'"),
        ({"suite": PointsSuite(variant="MT6", horizon=20)}, "options.horizon is 16"),
        ({"episodes": 5}, "episodes is 25 in the folder and 5 now"),
        ({"repeats": 2}, "repeats is 1 in the folder and 2 now"),
        (
            {"variations": "official"},
            "split is 'fresh' in the folder and 'official' now",
        ),
        ({"instructions": "held-out"}, "instructions is 'canonical' in the folder"),
        ({"until": "success"}, "until is 'horizon' in the folder and 'success' now"),
        ({"seed": 1}, "seed is 0 in the folder and 1 now"),
        ({"tasks": ["push-ball"]}, "tasks is None in the folder and .*push-ball"),
        ({"agent": ExpertAgent()}, "agent is 'wobbling' in the folder"),
    ],
)
def test_another_evaluation_is_not_written_over_the_first(whole, options, field):
    with pytest.raises(ValueError, match=f"begun with other settings.*{field}"):
        play(whole, **options)


def test_a_file_of_wordings_that_changed_is_another_evaluation(tmp_path):
    file = tmp_path / "mine.json"
    options = {"tasks": ["reach-red"], "episodes": 1, "instructions": file}
    file.write_text('{"reach-red": ["go red"]}')
    play(tmp_path / "run", **options)
    file.write_text('{"reach-red": ["go green"]}')

    with pytest.raises(ValueError, match="Differing: trials is"):
        play(tmp_path / "run", **options)


def test_a_folder_that_another_process_evaluates_into_is_refused(tmp_path):
    out = tmp_path / "run"
    process = start(out, pause=0.05)
    wait_for_chunks(out, 0)
    before = (out / "journal.jsonl").read_text().splitlines()[0]
    with pytest.raises(ValueError, match="Another process is writing into .*run; wait"):
        play(out)
    process.kill()
    process.communicate(timeout=300)
    assert (out / "journal.jsonl").read_text().startswith(before)


@pytest.mark.usefixtures("spawned_workers")
def test_a_missing_extra_is_told_as_it_is(tmp_path):
    with pytest.raises(ImportError, match=r"pip install 'robomtl\[language\]'"):
        play(tmp_path, agent=WordyAgent(), episodes=1)


def test_results_without_a_journal_are_not_overwritten(tmp_path):
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ValueError, match="holds a results.json but no journal.jsonl"):
        play(tmp_path)


def test_repeats_are_trials_of_their_own(tmp_path):
    results = play(tmp_path, tasks=["reach-red"], episodes=2, repeats=3)
    assert [(r.variation - 1_000_000, r.repeat) for r in results.records] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
        (0, 2),
        (1, 2),
    ]


def test_stopping_at_success_finds_the_same_successes(whole, tmp_path):
    stopped = play(tmp_path, until="success")
    assert stopped.task_mean == Results.read(whole).task_mean
    assert stopped.summary.everything.success_at_end is None
    assert json.loads((tmp_path / "results.json").read_text())["success_at_end"] is None


def test_experts_told_of_other_tasks_do_them_and_fail(tmp_path):
    right = play(tmp_path / "right", agent=ExpertAgent(), episodes=10)
    shuffled = play(
        tmp_path / "wrong", agent=ExpertAgent(), episodes=10, instructions="shuffled"
    )
    assert shuffled.task_mean < right.task_mean - 0.4
    assert shuffled.setting.instructions == "shuffled"


def test_experts_cannot_act_when_told_nothing(tmp_path):
    with pytest.raises(
        ValueError, match="needs the name of its task, which instructions 'none'"
    ):
        play(tmp_path, agent=ExpertAgent(), instructions="none", episodes=1)


def test_a_suite_without_experts_is_refused_before_any_process_starts(tmp_path):
    with pytest.raises(ValueError, match="points/MT6 has no expert for reach-red"):
        play(tmp_path, agent=ExpertAgent(), suite=ExpertlessSuite(variant="MT6"))
    assert list(tmp_path.iterdir()) == []


def test_progress_tells_the_rate_of_success(tmp_path, capsys):
    play(tmp_path, agent=ExpertAgent(), tasks=["reach-red"], episodes=1, workers=1)
    assert "Evaluation: 1/1" in capsys.readouterr().err


def test_the_report_shows_how_the_agent_came_to_be(tmp_path):
    evaluate(
        WobblingAgent(),
        POINTS,
        out=tmp_path,
        config=EvaluationConfig(tasks=["reach-red"], episodes=1),
        provenance={"training": {"steps": 7}},
    )
    assert "training.steps" in (tmp_path / "report.html").read_text()
