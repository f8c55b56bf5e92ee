"""An experiment as a declaration, and the loop that runs every one of them."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from robomtl.definition import suite_identity
from robomtl.evaluation.figures import counted
from robomtl.evaluation.journal import Journal, open_growing
from robomtl.evaluation.journal_lines import Done, Session
from robomtl.evaluation.results import RESULTS
from robomtl.evaluation.trials import side_by_side
from robomtl.execution.executor import Executor, Failure
from robomtl.experiments.cells import C, Finished
from robomtl.experiments.long_tables import write_tables
from robomtl.experiments.report import Report
from robomtl.files.durable import write_json, write_text
from robomtl.files.folder_kinds import JOURNAL as JOURNAL
from robomtl.files.request import plain
from robomtl.pages.rendering import report_page
from robomtl.progress import item_progress, remark
from robomtl.task import Suite, Trial
from robomtl.versions import packages

REPORT = "report.html"


class Experiment(Protocol[C]):
    """An experiment: its identity, cells, findings and report."""

    @property
    def title(self) -> str:
        """The activity that the progress line names."""
        ...

    @property
    def growing(self) -> tuple[str, ...]:
        """Fields of the identity that hold something by name, to which more may join."""
        ...

    @property
    def suite(self) -> Suite:
        """Supplies the tasks."""
        ...

    def identity(self) -> dict[str, Any]:
        """Everything outcomes depend on besides cells, suite and versions; plain."""
        ...

    def cells(self) -> Sequence[C]:
        """The cells, in the order in which they start."""
        ...

    @property
    def play(self) -> Callable[[C], Done]:
        """Learns and plays a cell in a worker process; picklable."""
        ...

    def conclude(self, finished: Sequence[Finished[C]], made: Mapping[str, Any]) -> Any:
        """The findings; ``made`` says how, see ``Journal.made``."""
        ...

    def results(self, found: Any, made: Mapping[str, Any]) -> dict[str, Any]:
        """The content of ``results.json``; plain."""
        ...

    def report(self, found: Any, made: Mapping[str, Any]) -> Report:
        """The findings in sections."""
        ...


def run_experiment(experiment: Experiment[C], folder: Path, executor: Executor) -> Any:
    """The findings of an experiment; its tables, results and report are written.

    Every finished cell is kept at once: called again, whatever stopped it before, the
    experiment resumes.

    Args:
        experiment: What is to be computed.
        folder: For everything that is written; no other process may write there.
        executor: Runs the cells.

    Raises:
        InputError: If the folder holds another experiment.
    """
    cells, suite = experiment.cells(), experiment.suite
    identity = {
        **experiment.identity(),
        **suite_identity(suite),
        "chunk": side_by_side(suite),
        "versions": packages(),
        "chunks": {cell.name: len(cell.trials) for cell in cells},
    }
    journal, places = open_growing(
        folder / JOURNAL, identity, growing=experiment.growing
    )
    placed = {places[cell.name]: cell for cell in cells}
    for _ in play_cells(
        journal, placed, experiment.play, executor, title=experiment.title
    ):
        pass
    finished = [Finished(cell, journal.done[place]) for place, cell in placed.items()]
    made = {"options": plain(suite.options), **journal.made()}
    found = experiment.conclude(finished, made)
    write_tables(folder, finished)
    write_json(folder / RESULTS, experiment.results(found, made))
    write_text(folder / REPORT, report_page(experiment.report(found, made)))
    return found


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
        then = time.monotonic()
        for index, done in executor.map(play, items, lambda cell: cell.kind):
            cell, now = items[index], time.monotonic()
            if isinstance(done, Failure):
                done = Done.failed(done.reason, len(cell.trials), retry=True)
            journal.append(left[index], done, now - then)
            then = now
            tally.update(outcome.success for outcome in done.outcomes)
            said = note() if note else f"{cell.label} {_so_far(tally)}".strip()
            reach(index, 1.0, note=said)
            yield left[index]
    _remark_failures(journal, left)


def _so_far(tally: Counter[bool | None]) -> str:
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
