"""Learning together against learning alone: from a suite to tables and findings."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl.arguments import checked
from robomtl.definition import definition_of
from robomtl.demonstrations import Demonstrations
from robomtl.durable import write_json, write_text
from robomtl.errors import InputError
from robomtl.evaluation.journal import Journal, open_growing
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.evaluation.trials import side_by_side
from robomtl.executor import Executor, LocalExecutor
from robomtl.experiments.rows import write_rows
from robomtl.experiments.running import Note, Work, done_of, finish, how_made
from robomtl.lock import locked
from robomtl.machine import Machine, check_device, resolved_in
from robomtl.paths import located
from robomtl.request import plain
from robomtl.sharing.affinity import Measured
from robomtl.sharing.arms import arm_with_machine
from robomtl.sharing.balance import check_balanced
from robomtl.sharing.cell import Cell, trials_of
from robomtl.sharing.concluding import findings_of
from robomtl.sharing.data import check_enough, check_same, hashes, obtain
from robomtl.sharing.findings import Findings
from robomtl.sharing.learning import LearnCell, Material
from robomtl.sharing.page import page
from robomtl.sharing.parameters import size_of
from robomtl.sharing.planning import Asked, arms_of, plan, tasks_of
from robomtl.sharing.rows import CELLS, TRIALS, CellRow, TrialRow, cell_row, trial_rows
from robomtl.task import Suite
from robomtl.untrusted import converted
from robomtl.versions import packages

JOURNAL = "journal.jsonl"
RESULTS = "results.json"
REPORT = "report.html"
RUNS = "runs"
_LIMIT = 6 * 3600.0  # For a cell: a policy of fifty tasks, and its trials [s].
NOISE = 0.5
"""Disturbance of the experts where demonstrations are collected; see ``collect``."""


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """What is settled before anything is learned."""

    material: Material
    cells: tuple[Cell, ...]
    places: dict[str, int]
    """Of the cells in the journal, by their names."""


@checked
def multitask(
    suite: Suite,
    asked: Asked | None = None,
    *,
    out: Path | str,
    data: Path | str | None = None,
    noise: float = NOISE,
    machine: Machine | None = None,
    workers: int = 2,
    executor: Executor | None = None,
) -> Findings:
    """Whether learning tasks together beats learning each alone.

    All arms learn from the same demonstrations, take the same number of gradient samples
    of every task, and play the same trials. Every finished policy is kept at once:
    called again, whatever stopped it before, it goes on. Arms, seeds and numbers of
    demonstrations may be more than before: what is finished of them is kept.

    Args:
        suite: Supplies the tasks.
        asked: Arms, demonstrations, seeds and trials; the defaults if None.
        out: Folder for ``trials.parquet``, ``cells.parquet``, ``results.json``,
            ``report.html``, the journal, ``runs/`` with a run directory for each policy,
            and the demonstrations where they are collected; made if missing.
        data: Demonstrations of the tasks; collected if None.
        noise: Disturbance of the experts that are collected from; see ``collect``.
        machine: Device and precision of training, unless the settings of an arm name
            them; ``auto`` is resolved once, recorded in the folder, and kept.
        workers: Processes on this machine, unless an executor is given.
        executor: Runs the cells; processes on this machine by default.

    Raises:
        InputError: If there is one task alone, an arm, a setting or a policy is unknown,
            there are fewer demonstrations than asked for, arms do not read the same, or
            the folder holds another experiment.
    """
    asked, folder = asked or Asked(), located(out)
    executor = executor or LocalExecutor(workers=workers, limit=_LIMIT)
    machine = machine or Machine()
    check_device(machine.device)  # Before anything is collected.
    tasks, arms = tasks_of(suite, asked.tasks), arms_of(asked)
    if (folder / "run.json").exists():
        raise InputError(
            f"{folder} is the run directory of a policy, whose results would be"
            " overwritten; give another folder (--out)."
        )
    trials_plan(suite, tasks, episodes=asked.trials)  # Refuses more than there are.
    most = max(asked.demonstrations)
    with locked(folder):
        if data is None:
            data = obtain(
                suite, folder, tasks, most, noise=noise, workers=executor.workers
            )
        begun = (folder / JOURNAL).exists()
        resolved = resolved_in(folder, machine, begun=begun)
        arms = {label: arm_with_machine(arm, resolved) for label, arm in arms.items()}
        material = _material(asked, suite, tasks, arms, located(data), folder)
        cells = plan(asked, arms, tasks)
        journal, places = _journal(folder, material, cells)
        experiment = _Experiment(material=material, cells=cells, places=places)
        _finish(journal, experiment, executor)
        return _write(folder, experiment, journal)


def _material(
    asked: Asked,
    suite: Suite,
    tasks: tuple[str, ...],
    arms: dict[str, Any],
    data: Path,
    folder: Path,
) -> Material:
    """What cells are made of; see ``multitask`` for what is refused."""
    most = max(asked.demonstrations)
    demonstrations = Demonstrations(data)
    check_enough(demonstrations, suite, tasks, most)
    wanted = hashes(demonstrations, tasks, asked.demonstrations)
    for label, arm in arms.items():
        if arm.data is not None:
            other = Demonstrations(arm.data)
            check_enough(other, suite, tasks, most)
            check_same(
                label, arm.data, hashes(other, tasks, asked.demonstrations), wanted
            )
    check_balanced(arms, demonstrations, tasks, asked)
    learned = demonstrations.select(tasks, most)
    return Material(
        asked=asked,
        suite=suite,
        tasks=tasks,
        arms=arms,
        sizes={label: size_of(label, arm, learned) for label, arm in arms.items()},
        data={label: arm.data or data for label, arm in arms.items()},
        hashes=wanted,
        runs=(folder / RUNS).absolute(),
    )


def _journal(
    folder: Path, of: Material, cells: tuple[Cell, ...]
) -> tuple[Journal, dict[str, int]]:
    """The journal of everything outcomes depend on."""
    asked, suite = of.asked, of.suite
    identity = {
        "suite": suite.name,
        "options": plain(suite.options),
        **plain(definition_of(suite)),
        "tasks": list(of.tasks),
        "trials": asked.trials,
        "steps": asked.steps,
        "samples": asked.samples,
        "arms": {
            label: plain(
                {
                    **vars(arm),
                    "data": None,
                    "policy_config": of.sizes[label].policy_config,
                    # Where it is computed may change, as processors may.
                    "training": replace(arm.training, device="cpu"),
                }
            )
            for label, arm in of.arms.items()
        },
        "data": plain(of.hashes),
        "chunk": side_by_side(suite),
        "versions": packages(),
        "chunks": {
            cell.name: len(trials_of(suite, cell, asked.trials)) for cell in cells
        },
    }
    return open_growing(folder / JOURNAL, identity, growing=("arms", "data"), note=Note)


def _finish(journal: Journal, of: _Experiment, executor: Executor) -> None:
    """Trains and plays the cells that are not in the journal, and enters them."""
    suite, trials = of.material.suite, of.material.asked.trials
    work = Work(
        title="Learning",
        cells={of.places[cell.name]: cell for cell in of.cells},
        play=LearnCell(of.material),
        trials=lambda cell: len(trials_of(suite, cell, trials)),
        kind=lambda cell: cell.learned,
        label=lambda cell: cell.name,
        units=lambda cell: len(cell.tasks) * of.material.asked.steps,
    )
    finish(journal, work, executor)


def _write(folder: Path, of: _Experiment, journal: Journal) -> Findings:
    """The tables and what they say, also as files."""
    material = of.material
    trials: list[TrialRow] = []
    cells: list[CellRow] = []
    measured: dict[str, list[Measured]] = {}
    for cell in sorted(of.cells, key=lambda cell: of.places[cell.name]):
        done = done_of(journal, of.places[cell.name])
        query = trials_of(material.suite, cell, material.asked.trials)
        trials += trial_rows(cell, query, done.outcomes)
        if done.measured:
            there = converted(
                done.measured, Measured, where=f"{journal.path}, {cell.name}"
            )
            measured.setdefault(cell.arm, []).append(there)
        cells.append(cell_row(cell, done, material.hashes[cell.demonstrations]))
    write_rows(folder / "trials.parquet", trials, TRIALS)
    write_rows(folder / "cells.parquet", cells, CELLS)
    found = findings_of(material, trials, cells, measured)
    about = {
        "demonstrations": sorted({str(path) for path in material.data.values()}),
        "options": plain(material.suite.options),
        **how_made(journal),
    }
    write_json(folder / RESULTS, {**plain(found), "made": about})
    write_text(folder / REPORT, page(found, asked=plain(material.asked), about=about))
    return found
