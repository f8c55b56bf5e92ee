"""Cells of an experiment, run in processes and kept in its journal as they finish."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from robomtl.evaluation.journal import Journal, Session
from robomtl.evaluation.rollout import Outcome
from robomtl.executor import Executor, Failure
from robomtl.experiments.cost import Cost
from robomtl.progress import item_progress
from robomtl.versions import packages, versions


@dataclass(frozen=True, kw_only=True)
class Note:
    """What a journal keeps of a cell beside its outcomes; see ``Done``."""

    cost: Cost | None = None
    reason: str | None = None
    measured: Mapping[str, Any] | None = None


class Done(NamedTuple):
    """What came of a cell."""

    outcomes: list[Outcome]
    """Of its trials; errors where learning gave up."""
    cost: Cost | None = None
    """None where nothing was learned, or learning gave up."""
    reason: str | None = None
    """Why it gave up."""
    processor: str | None = None
    """What it was played on; None if no process lived to tell."""
    measured: Mapping[str, Any] | None = None
    """What else is to be kept of it, as JSON can hold it."""

    @classmethod
    def failed(cls, reason: str, trials: int) -> "Done":
        """A cell without any outcome."""
        return cls([Outcome(error=reason)] * trials, reason=reason)


Cell = TypeVar("Cell")


def _one(cell: object) -> int:
    return 1


@dataclass(frozen=True, kw_only=True)
class Work(Generic[Cell]):
    """Cells, and what is done with them."""

    title: str
    """What is being done, for the line that tells progress."""
    cells: Mapping[int, Cell]
    """By their keys in the journal; started in this order but for their kinds."""
    play: Callable[[Cell], Done]
    """Learns and plays; see ``Executor.map``."""
    trials: Callable[[Cell], int]
    """How many trials a cell has."""
    kind: Callable[[Cell], Hashable]
    """What of a cell is slow to build; see ``Executor.map``."""
    label: Callable[[Cell], str]
    """What progress says of a cell."""
    units: Callable[[Cell], int] = _one
    """How long a cell takes, against others."""


def finish(journal: Journal, work: Work[Cell], executor: Executor) -> None:
    """Plays the cells that are not in the journal, and enters them."""
    left = [key for key in work.cells if key not in journal.outcomes]
    if not left:
        return
    journal.begin(Session(versions()["processor"], executor.workers))
    done_before = [key for key in work.cells if key in journal.outcomes]
    tally = Counter(
        outcome.success for key in done_before for outcome in journal.outcomes[key]
    )
    items = [work.cells[key] for key in left]
    units = [work.units(cell) for cell in items]
    already = sum(work.units(work.cells[key]) for key in done_before)
    with item_progress(work.title, units, done=already) as reach:
        before = time.monotonic()
        for index, done in executor.map(work.play, items, work.kind):
            cell, now = items[index], time.monotonic()
            if isinstance(done, Failure):
                done = Done.failed(done.reason, work.trials(cell))
            note = Note(cost=done.cost, reason=done.reason, measured=done.measured)
            journal.append(
                left[index], done.outcomes, now - before, done.processor, note=note
            )
            tally.update(outcome.success for outcome in done.outcomes)
            reach(index, 1.0, note=f"{work.label(cell)} {_so_far(tally)}".strip())
            before = now


def _so_far(tally: Counter[bool | None]) -> str:
    errors = f", {tally[None]} errors" if tally[None] else ""
    return f"{tally[True]} of {tally.total()} trials solved{errors}"


def done_of(journal: Journal, key: int) -> Done:
    """What came of a finished cell."""
    note: Note = journal.notes[key]
    return Done(journal.outcomes[key], note.cost, note.reason, measured=note.measured)


def how_made(journal: Journal) -> dict[str, Any]:
    """With what, where and how long the cells were made, for ``results.json``."""
    return {
        "versions": packages(),
        "commit": versions().get("commit"),
        "processor": "; ".join(sorted(journal.processors)),
        "workers": journal.sessions[-1].workers,
        "seconds": round(journal.seconds, 3),
    }
