"""Loop that plays the remaining cells of a journal, and records them."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from robomtl.evaluation.formatting import counted
from robomtl.evaluation.journal import Journal
from robomtl.evaluation.journal_lines import Done, Session
from robomtl.execution.executor import Executor, Failure
from robomtl.progress import item_progress, remark
from robomtl.task import Trial
from robomtl.warned import gathered, warn


class Playable(Protocol):
    """Properties of a cell that the loop needs, such as of a ``Chunk``."""

    @property
    def trials(self) -> Sequence[Trial]:
        """Trials of the cell."""
        ...

    @property
    def label(self) -> str:
        """Name of the cell in the progress line; may be empty."""
        ...

    @property
    def kind(self) -> Hashable:
        """Key of the part that is slow to build, such as the env; see ``Executor.map``."""
        ...

    @property
    def units(self) -> int:
        """Duration of the cell, relative to other cells."""
        ...


P = TypeVar("P", bound=Playable)


class Work(Generic[P]):
    """Work function that plays a cell and adds its warnings to the result.

    Args:
        play: Function that plays a cell.
    """

    def __init__(self, play: Callable[[P], Done]) -> None:
        self._play = play

    def __call__(self, cell: P) -> Done:
        """Result of a cell, with the warnings that were given meanwhile."""
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
    """Plays the remaining cells, records each in the journal, and yields its index.

    Args:
        journal: Journal of all cells.
        cells: Cells by index in the journal; started in this order except as their kinds
            require, see ``Executor.map``.
        play: Function that plays a cell.
        executor: Executor of the work.
        title: Name of the work, for the progress line.
        note: Returns the end of the progress line after each cell; by default, the
            success rate.
    """
    left = [index for index in cells if journal.is_unfinished(index)]
    if not left:
        return
    items, before = [cells[index] for index in left], cells.keys() - left
    tally = Counter(
        outcome.success for index in before for outcome in journal.done[index].outcomes
    )
    units = [cell.units for cell in items]
    done_before = sum(cells[index].units for index in before)
    with (
        journal.working(Session.current(executor.workers)),
        item_progress(title, units, done=done_before) as reach,
    ):
        last, warnings = time.monotonic(), dict[str, None]()
        work = Work(play)
        for index, done in executor.map(work, items, lambda cell: cell.kind):
            cell, now = items[index], time.monotonic()
            if isinstance(done, Failure):
                done = Done.failed(done.reason, len(cell.trials), retry=True)
            journal.append(left[index], done, now - last)
            last = now
            warnings |= dict.fromkeys(done.warnings)
            counts = Counter(outcome.success for outcome in done.outcomes)
            tally += counts
            reach(
                index,
                1.0,
                note=note() if note else _progress_note(cell.label, counts, tally),
            )
            yield left[index]
    _remark_failures(journal, left)
    for sentence in warnings:
        warn(sentence)


def finish(
    journal: Journal,
    cells: Mapping[int, P],
    play: Callable[[P], Done],
    executor: Executor,
    *,
    title: str,
) -> None:
    """Plays all remaining cells of a journal, and records them; see ``play_cells``."""
    for _ in play_cells(journal, cells, play, executor, title=title):
        pass


def _progress_note(
    label: str, own: Counter[bool | None], tally: Counter[bool | None]
) -> str:
    """Success in a cell and in all cells so far; of all cells only, without a label."""
    of_all = _success(tally)
    return f"{label} {_success(own)}; all {of_all}" if label and own else of_all


def _success(tally: Counter[bool | None]) -> str:
    solved, failed, errors = tally[True], tally[False], tally[None]
    rate = f"{solved / (solved + failed):.1%} success" if solved + failed else ""
    return f"{rate} {errors} errors".lstrip() if errors else rate


def _remark_failures(journal: Journal, indices: Sequence[int]) -> None:
    """Reports cells on which the machine failed, and how many will be tried again."""
    failed = [index for index in indices if journal.done[index].retry]
    if failed:
        again = sum(journal.is_unfinished(index) for index in failed)
        reason, one = journal.done[failed[-1]].reason, len(failed) == 1
        remark(
            f"{counted(len(failed), 'cell')} {'has' if one else 'have'} no outcome, as the"
            f" machine failed {'it' if one else 'them'}: {reason}. The same command tries"
            f" {again} again."
        )
