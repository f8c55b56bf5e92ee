"""Sequential comparison: agents play the same trials until one is settled as better."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robomtl.acting.actor import Agent, check_agent
from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.journal import Journal, open_journal
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.loop import play_cells
from robomtl.evaluation.planning import identity_of, planned
from robomtl.evaluation.records import records_of, write_records
from robomtl.evaluation.rollout import Criterion, Outcome, Until
from robomtl.evaluation.trials import Chunk
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor
from robomtl.experiments.compare.compare_report import verdict_report
from robomtl.experiments.compare.comparison import write_comparison
from robomtl.experiments.compare.pairing import pair_of
from robomtl.experiments.compare.rounds import rounds_of
from robomtl.experiments.compare.verdict import Judge, Test, Verdict
from robomtl.files.folder_kinds import JOURNAL, check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.task import Suite, Trial


@dataclass(frozen=True)
class PairedChunk:
    """A chunk of trials that both agents play."""

    chunk: Chunk
    """Trials, all of which each agent plays."""
    label: str = ""
    """Name in the progress line; empty, since that shows the evidence instead."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials of A, then those of B."""
        return self.chunk.trials * 2

    @property
    def kind(self) -> type:
        """The same key for all chunks, so that rounds are played in their order."""
        return Chunk

    @property
    def units(self) -> int:
        """Number of pairs of trials."""
        return self.chunk.units


class PlayPairedChunk:
    """Plays a chunk with both agents, one after the other."""

    def __init__(self, a: Agent, b: Agent, suite: Suite, until: Until) -> None:
        self._plays = [PlayChunk(agent, suite, until) for agent in (a, b)]

    def __call__(self, both: PairedChunk) -> Done:
        """Outcomes of all trials of A, then of all trials of B."""
        a, b = (play(both.chunk) for play in self._plays)
        return Done([*a.outcomes, *b.outcomes], a.processor)


@dataclass(frozen=True, kw_only=True)
class SequentialConfig:
    """Settings of a sequential comparison of two agents."""

    conditions: Conditions = Conditions(until="success")
    """Conditions of the trials; ``episodes`` is the largest number for each task."""
    alpha: float = 0.05
    """Largest probability of calling equal agents different."""
    test: Test = "pairs"
    """Test to use: ``pairs`` counts trials that only one agent solved, ``streams``
    compares success rates; see ``log_e_of_pairs`` and ``log_e_of_streams``."""


@checked
def compare_sequentially(
    a: Agent,
    b: Agent,
    suite: Suite,
    *,
    out: Path | str,
    config: SequentialConfig | None = None,
    compute: Compute | None = None,
) -> Verdict:
    """Compares two agents until it is settled which is better, and returns the verdict.

    Both play the same trials, in rounds of one chunk per task, until the evidence reaches
    ``1 / alpha`` or all trials are played. Every finished chunk is saved immediately:
    called again, the comparison resumes. It may be stopped, resumed and inspected at any
    time; the test remains valid.

    Args:
        a: First agent, A.
        b: Second agent, B.
        suite: Supplies the tasks.
        out: Folder for the journal, ``comparison.json``, ``comparison.html`` and the
            trials of both.
        config: Conditions of the trials and the test; the defaults if None.
        compute: Processes or cluster, and the time limit of a step.

    Raises:
        ValueError: If A and B are the same agent or do not fit the suite, the conditions
            cannot be met, the folder contains another comparison, another process writes
            into it, ``alpha`` is not between 0 and 1 or the test is unknown.
    """
    config, compute = config or SequentialConfig(), compute or Compute()
    conditions = config.conditions
    _check(a, b, suite, conditions)
    plan = planned(suite, conditions)
    judge = Judge(
        a=a.name,
        b=b.name,
        suite=suite.name,
        test=config.test,
        alpha=config.alpha,
        rounds=rounds_of(plan.chunks, seed=conditions.seed),
        criterion=conditions.criterion,
    )
    # The test is not part of the identity, so that it may change on resuming.
    identity = identity_of({"a": a, "b": b}, plan)
    sizes = [2 * len(chunk.trials) for chunk in plan.chunks]
    out = located(out)
    check_no_run(out)
    with locked(out):
        journal = open_journal(out / JOURNAL, identity, sizes)
        play = PlayPairedChunk(a, b, suite, conditions.until)
        _play(judge, journal, plan.chunks, play, compute.playing)
        verdict = judge(journal.outcomes)
        _write(out, verdict, plan.chunks, journal, conditions.criterion)
    return verdict


def _play(
    judge: Judge,
    journal: Journal,
    chunks: Sequence[Chunk],
    play: PlayPairedChunk,
    executor: Executor,
) -> None:
    """Plays round by round until the verdict is settled or all trials are played."""
    if judge(journal.outcomes).better is not None:
        return
    order = [index for round_ in judge.rounds for index in round_.chunks]
    for _ in play_cells(
        journal,
        {index: PairedChunk(chunks[index]) for index in order},
        play,
        executor,
        title="Pairs of trials, at most",
        note=lambda: f"E = {judge(journal.outcomes).e_value:.3g}",
    ):
        if judge(journal.outcomes).better is not None:
            return


def _check(a: Agent, b: Agent, suite: Suite, conditions: Conditions) -> None:
    if a.fingerprint == b.fingerprint:
        raise InputError(
            f"A ({a.name}) and B ({b.name}) are the same agent; no trial can tell them"
            " apart."
        )
    for agent in (a, b):
        check_agent(agent, suite, conditions.tasks)


def _write(
    folder: Path,
    verdict: Verdict,
    chunks: Sequence[Chunk],
    journal: Journal,
    criterion: Criterion,
) -> None:
    played = [
        (chunk, journal.outcomes[index])
        for index, chunk in enumerate(chunks)
        if index in journal.outcomes
    ]
    a, b = (
        [r for chunk, some in played for r in records_of(chunk, _side(some, side))]
        for side in range(2)
    )
    write_records(folder / "trials_a.parquet", a)
    write_records(folder / "trials_b.parquet", b)
    both = [pair_of(*each, criterion, criterion) for each in zip(a, b, strict=True)]
    shown = verdict_report(verdict, both)
    write_comparison(folder, "sequential", verdict, shown)


def _side(outcomes: list[Outcome], side: int) -> list[Outcome]:
    half = len(outcomes) // 2
    return outcomes[side * half : (side + 1) * half]
