"""The protocol of an experiment, and the function that runs one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from robomtl.errors import GaveUpError
from robomtl.evaluation.journal import open_growing
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.loop import finish
from robomtl.evaluation.planning import suite_identity
from robomtl.evaluation.results import RESULTS
from robomtl.evaluation.trials import side_by_side
from robomtl.execution.executor import Executor
from robomtl.experiments.cells import C, Finished
from robomtl.experiments.long_tables import write_tables
from robomtl.experiments.report import Report
from robomtl.files.durable import write_json, write_text
from robomtl.files.folder_kinds import JOURNAL
from robomtl.files.request import plain
from robomtl.pages.rendering import report_page
from robomtl.task import Suite
from robomtl.versions import packages, processor

REPORT = "report.html"

F = TypeVar("F")
"""Findings of an experiment."""


class Experiment(Protocol[C, F]):
    """An experiment: its identity, cells, findings and report."""

    @property
    def title(self) -> str:
        """Title of the progress line, which names the units that it counts."""
        ...

    @property
    def growing(self) -> tuple[str, ...]:
        """Fields of the identity, mappings by name, to which a later run may add names."""
        ...

    @property
    def suite(self) -> Suite:
        """Supplies the tasks."""
        ...

    def identity(self) -> dict[str, Any]:
        """All that outcomes depend on besides cells, suite and versions, as plain data."""
        ...

    def cells(self) -> Sequence[C]:
        """The cells, in the order in which they start."""
        ...

    @property
    def play(self) -> Callable[[C], Done]:
        """Learns and plays a cell in a worker process, with one thread; picklable."""
        ...

    def about(self) -> dict[str, Any]:
        """Facts about the run, shown before those of ``Journal.provenance``, as plain data."""
        ...

    def conclude(self, finished: Sequence[Finished[C]]) -> F:
        """The findings of the finished cells."""
        ...

    def results(self, findings: F, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """The content of ``results.json``, as plain data.

        Args:
            findings: Findings.
            provenance: Facts about the run: those of ``about``, the options of the suite, and
                those of ``Journal.provenance``.
        """
        ...

    def report(self, findings: F, provenance: Mapping[str, Any]) -> Report:
        """The report of the findings; the arguments are those of ``results``."""
        ...


@dataclass(frozen=True)
class _InWorker(Generic[C]):
    """Plays cells in a worker process, with one thread, and records the processor.

    Each worker has one core, and floating-point sums depend on the number of threads.
    Where a method gives up, a training diverges, or an action is not finite, the cell's
    outcomes are errors with that reason.
    """

    play: Callable[[C], Done]

    def __call__(self, cell: C) -> Done:
        import torch  # The command line imports this module, but does not need torch.

        torch.set_num_threads(1)
        try:
            done = self.play(cell)
        except (FloatingPointError, GaveUpError) as error:
            done = Done.failed(str(error), len(cell.trials))
        return replace(done, processor=processor())


def run_experiment(experiment: Experiment[C, F], folder: Path, executor: Executor) -> F:
    """Runs an experiment, writes its tables, results and report, and returns findings.

    Every finished cell is saved immediately: called again after an interruption, the
    experiment resumes.

    Args:
        experiment: Experiment to run.
        folder: Folder of all files written; no other process may write there.
        executor: Runs the cells.

    Raises:
        InputError: If the folder contains another experiment.
    """
    cells, suite = experiment.cells(), experiment.suite
    identity = {
        **experiment.identity(),
        **suite_identity(suite),
        "chunk": side_by_side(suite),
        "versions": packages(),
        "chunks": {cell.name: len(cell.trials) for cell in cells},
    }
    journal, indices = open_growing(
        folder / JOURNAL, identity, growing=experiment.growing
    )
    indexed = {indices[cell.name]: cell for cell in cells}
    play = _InWorker(experiment.play)
    finish(journal, indexed, play, executor, title=experiment.title)
    finished = [Finished(cell, journal.done[index]) for index, cell in indexed.items()]
    findings = experiment.conclude(finished)
    options = {"options": plain(suite.options)}
    provenance = {**experiment.about(), **options, **journal.provenance()}
    write_tables(folder, finished)
    write_json(folder / RESULTS, experiment.results(findings, provenance))
    write_text(folder / REPORT, report_page(experiment.report(findings, provenance)))
    return findings
