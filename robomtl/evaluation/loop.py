"""The loop that plays the cells of a journal that are left, and enters them."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from robomtl.evaluation.figures import counted
from robomtl.evaluation.journal import Journal
from robomtl.evaluation.journal_lines import Done, Session
from robomtl.execution.executor import Executor, Failure
from robomtl.progress import item_progress, remark
from robomtl.task import Trial
from robomtl.warned import gathered, warn


class Playable(Protocol):
    """The part of a cell that the loop needs; see ``Cell``."""

    @property
    def trials(self) -> Sequence[Trial]:
        """The trials that it plays."""
        ...

    @property
    def label(self) -> str:
        """The cell's name in the progress line."""
        ...

    @property
    def kind(self) -> Hashable:
        """The part of it that is slow to build."""
        ...

    @property
    def units(self) -> int:
        """How long it takes, relative to others."""
        ...


P = TypeVar("P", bound=Playable)


class Work(Generic[P]):
    """Plays a cell; its warnings come with what came of it.

    Args:
        play: Plays a cell.
    """

    def __init__(self, play: Callable[[P], Done]) -> None:
        self._play = play

    def __call__(self, cell: P) -> Done:
        """The outcomes of a cell, and what was warned of meanwhile."""
        with gathered() as warnings:
            done = self._play(cell)
        return replace(done, warnings=tuple(warnings))


def play_cells(
    journal: Journal,
    cells: Mapping[int, P],
    play: Callable[[P], Done],
    executor: Executor,
    *,
    title: str,
    note: Callable[[], str] | None = None,
) -> Iterator[int]:
    """Plays the cells that are left, enters each in the journal and yields its place.

    Args:
        journal: Of all cells, by their places.
        cells: By their places; started in this order but for their kinds.
        play: Plays a cell; see ``Executor.map``.
        executor: Runs it.
        title: What is being done, for the progress line.
        note: End of that line after each cell; how many trials were solved by default.
    """
    left = [place for place in cells if journal.left(place)]
    if not left:
        return
    journal.begin(Session.here(executor.workers))
    items = [cells[place] for place in left]
    before = [cell for place, cell in cells.items() if not journal.left(place)]
    tally = Counter(
        outcome.success
        for place in cells
        if not journal.left(place)
        for outcome in journal.done[place].outcomes
    )
    units, done_before = [cell.units for cell in items], sum(c.units for c in before)
    with item_progress(title, units, done=done_before) as reach:
        then, warnings = time.monotonic(), dict[str, None]()
        work = Work(play)
        for index, done in executor.map(work, items, lambda cell: cell.kind):
            cell, now = items[index], time.monotonic()
            if isinstance(done, Failure):
                done = Done.failed(done.reason, len(cell.trials), retry=True)
            journal.append(left[index], done, now - then)
            then = now
            warnings |= dict.fromkeys(done.warnings)
            own = Counter(outcome.success for outcome in done.outcomes)
            tally += own
            reach(index, 1.0, note=note() if note else _said(cell.label, own, tally))
            yield left[index]
    _remark_failures(journal, left)
    for sentence in warnings:
        warn(sentence)


def _said(label: str, own: Counter[bool | None], tally: Counter[bool | None]) -> str:
    """The success in a cell and in all cells so far; an unlabelled cell is not named."""
    of_all = _success(tally)
    return f"{label} {_success(own)}; all {of_all}" if label and own else of_all


def _success(tally: Counter[bool | None]) -> str:
    solved, failed, errors = tally[True], tally[False], tally[None]
    rate = f"{solved / (solved + failed):.1%} success" if solved + failed else ""
    return f"{rate} {errors} errors".lstrip() if errors else rate


def _remark_failures(journal: Journal, places: Sequence[int]) -> None:
    """Says which cells the machine failed, and that the next call tries them again."""
    failed = [place for place in places if journal.done[place].retry]
    if failed:
        again = sum(journal.left(place) for place in failed)
        reason, one = journal.done[failed[-1]].reason, len(failed) == 1
        remark(
            f"{counted(len(failed), 'cell')} {'has' if one else 'have'} no outcome, as the"
            f" machine failed {'it' if one else 'them'}: {reason}. The same command tries"
            f" {again} again."
        )
