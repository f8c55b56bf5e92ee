"""Methods compared: from a family of policies to tables of trials and findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl.adaptation.adapting import check_training
from robomtl.adaptation.benchmark import (
    Problem,
    benchmark_of,
    draw_for,
    goal_suite,
    pool_split,
    problem_tasks,
    problems,
)
from robomtl.adaptation.cell import Cell, trials_of
from robomtl.adaptation.concluding import findings_of
from robomtl.adaptation.controls import check_control
from robomtl.adaptation.family import Family, find_family, seeds_of
from robomtl.adaptation.findings import Findings
from robomtl.adaptation.method import Budget
from robomtl.adaptation.page import page
from robomtl.adaptation.planning import Asked, configured, objectives, plan
from robomtl.adaptation.playing import Material, PlayCell
from robomtl.adaptation.rows import (
    CELLS,
    TRIALS,
    CellRow,
    TrialRow,
    cell_row,
    trial_rows,
)
from robomtl.adaptation.support import check_fit
from robomtl.arguments import checked
from robomtl.definition import definition_of
from robomtl.demonstrations import Demonstrations, collect
from robomtl.durable import write_json, write_text
from robomtl.errors import InputError
from robomtl.evaluation.journal import Journal, open_growing
from robomtl.evaluation.trials import side_by_side
from robomtl.executor import Executor, LocalExecutor
from robomtl.experiments.rows import write_rows
from robomtl.experiments.running import Note, Work, done_of, finish, how_made
from robomtl.lock import locked
from robomtl.machine import Machine, check_device, resolved_in
from robomtl.paths import located
from robomtl.request import plain
from robomtl.task import Suite, Task
from robomtl.versions import packages

JOURNAL = "journal.jsonl"
RESULTS = "results.json"
REPORT = "report.html"
POOL = "support"
_LIMIT = 3600.0  # For a cell: long adaptations, and hundreds of trials [s].
_SPARE = 2  # Demonstrations a problem that are collected for each the most shots take.


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """What is settled before anything is played."""

    asked: Asked
    family: Family
    seeds: tuple[int, ...]
    material: Material
    cells: tuple[Cell, ...]
    objectives: Mapping[str, str]
    """What the policy of each run directory was trained with."""


@checked
def compare_methods(
    run: Path | str | Family,
    suite: Suite,
    asked: Asked,
    *,
    out: Path | str,
    seeds: int | None = None,
    data: Path | str | None = None,
    prior: Path | str | None = None,
    noise: float = 0.0,
    machine: Machine | None = None,
    workers: int = 2,
    executor: Executor | None = None,
) -> Findings:
    """How methods of adaptation do on tasks that training never saw.

    All methods get the same supports, play the same trials, and have what they took
    written down. Every finished cell is kept at once: called again, whatever stopped it
    before, it goes on. Methods, seeds, shots, draws, steps, controls and tasks may be
    others than before: what is finished of those that stay is kept.

    Args:
        run: Run directory of a policy, or a folder of them by objective and seed,
            ``OBJECTIVE/seed-NUMBER``.
        suite: That of the policies; it says what is held out.
        asked: Methods, shots, draws, controls and trials.
        out: Folder for ``trials.parquet``, ``cells.parquet``, ``results.json``,
            ``report.html``, the journal, and the supports where they are collected; made
            if missing.
        seeds: Seeds of training, each a policy of every objective; all there are if
            None.
        data: Demonstrations of the tasks to adapt to; collected if None.
        prior: Demonstrations that the policies were trained on, for methods that look
            at them again; those beside the policies if None.
        noise: Disturbance of the experts that supports are collected from; see
            ``collect``.
        machine: Device and precision of the methods; ``auto`` is resolved once, recorded
            in the folder, and kept. Policies act on the CPU.
        workers: Processes on this machine, unless an executor is given.
        executor: Runs the cells; processes on this machine by default.

    Raises:
        ValueError: If the policies do not fit the suite or the methods, the suite holds
            nothing out, there are fewer demonstrations than shots, or the folder holds
            another comparison.
    """
    folder = located(out)
    executor = executor or LocalExecutor(workers=workers, limit=_LIMIT)
    machine = machine or Machine()
    check_device(machine.device)  # Before anything is collected.
    methods = configured(asked)
    family = find_family(run)
    chosen = seeds_of(family, objectives(asked, methods), seeds)
    _check_suite(family, suite)
    tasks = problem_tasks(suite, asked.tasks)
    pool = _pool(suite, tasks, asked, folder, data, noise, executor.workers)
    before = prior or family.prior
    material = Material(
        suite=suite,
        methods=methods,
        problems=_problems(suite, tasks, asked, pool),
        pool=pool.path.absolute(),
        prior=None if before is None else located(before),
        budget=Budget(batch_size=asked.batch_size),
    )
    comparison = _Comparison(
        asked=asked,
        family=family,
        seeds=chosen,
        material=material,
        cells=plan(asked, methods, family, chosen, material.problems),
        objectives=_check_members(family, asked, chosen, material, pool),
    )
    with locked(folder):
        begun = (folder / JOURNAL).exists()
        journal, places = _journal(folder, comparison, pool)
        resolved = resolved_in(folder, machine, begun=begun)
        comparison = _with_machine(comparison, resolved)
        cells = comparison.cells
        placed = {places[_name(comparison, cell)]: cell for cell in cells}
        _finish(journal, comparison, placed, executor)
        return _write(folder, comparison, placed, journal)


def _with_machine(of: _Comparison, machine: Machine) -> _Comparison:
    """The comparison with the machine that its methods compute on."""
    budget = replace(of.material.budget, machine=machine)
    return replace(of, material=replace(of.material, budget=budget))


def _problems(
    suite: Suite, tasks: Sequence[Task], asked: Asked, pool: Demonstrations
) -> tuple[Problem, ...]:
    """What is adapted to, where the controls can be had of it."""
    there = problems(
        suite,
        tasks,
        pool,
        shots=max(asked.shots),
        trials=asked.trials,
        goals=asked.goals,
    )
    for control in asked.controls:
        check_control(control, suite, there)
    return there


def _check_suite(family: Family, suite: Suite) -> None:
    for some in family.members.values():
        for member in some.values():
            card = member.trained.card
            if card.suite and card.suite != suite.name:
                raise InputError(
                    f"{member.run} was trained on {card.suite}, not on {suite.name}:"
                    " what that one holds out it may have seen. Give --suite"
                    f" {card.suite}, or policies trained on {suite.name}."
                )


def _pool(
    suite: Suite,
    tasks: Sequence[Task],
    asked: Asked,
    folder: Path,
    data: Path | str | None,
    noise: float,
    workers: int,
) -> Demonstrations:
    """The demonstrations that supports are drawn from, collected if need be."""
    if data is not None:
        return Demonstrations(data).succeeded()
    names, split = [task.name for task in tasks], pool_split(suite)
    each = 1
    if benchmark_of(suite) == "infer":  # Variations go through the goals in turn.
        each = len(goal_suite(suite).goal_numbers(names[0], split))
    return collect(
        suite,
        folder / POOL,
        episodes=_SPARE * max(asked.shots) * each,
        noise=noise,
        workers=workers,
        tasks=names,
        split=split,
    )


def _check_members(
    family: Family,
    asked: Asked,
    seeds: Sequence[int],
    material: Material,
    pool: Demonstrations,
) -> dict[str, str]:
    """Makes sure that policies fit methods and supports; what each was trained with."""
    support = draw_for(pool, material.suite, material.problems[0], shots=1, draw=0)
    found = {}
    for label, objective in objectives(asked, material.methods).items():
        for seed in seeds:
            member = family.of(objective)[seed]
            check_training(material.methods[label], member.trained)
            check_fit(member.trained.card, support)
            found[str(member.run)] = objective
    return found


def _journal(
    folder: Path, of: _Comparison, pool: Demonstrations
) -> tuple[Journal, dict[str, int]]:
    """The journal of everything outcomes depend on, and the places of cells in it."""
    suite, prior = of.material.suite, of.material.prior
    identity = {
        **{name: getattr(of.asked, name) for name in ("trials", "goals", "batch_size")},
        "methods": {
            label: {"method": of.asked.methods[label], **plain(method)}
            for label, method in of.material.methods.items()
        },
        "suite": suite.name,
        "options": plain(suite.options),
        **plain(definition_of(suite)),
        "fingerprints": {
            f"{objective}/{seed}": member.trained.fingerprint
            for objective, some in of.family.members.items()
            for seed, member in some.items()
            if str(member.run) in of.objectives
        },
        "support": pool.fingerprint,
        "prior": None if prior is None else Demonstrations(prior).fingerprint,
        "chunk": side_by_side(suite),
        "versions": packages(),
        "chunks": {_name(of, cell): len(trials_of(suite, cell)) for cell in of.cells},
    }
    growing = ("methods", "fingerprints")
    return open_growing(folder / JOURNAL, identity, growing=growing, note=Note)


def _name(of: _Comparison, cell: Cell) -> str:
    """What a cell is called in the journal."""
    return f"{of.objectives[cell.run]}/{cell.name}/{cell.retained}"


def _finish(
    journal: Journal, of: _Comparison, cells: Mapping[int, Cell], executor: Executor
) -> None:
    """Plays the cells that are not in the journal, and enters them."""
    work = Work(
        title="Adapting",
        cells=cells,
        play=PlayCell(of.material),
        trials=lambda cell: len(trials_of(of.material.suite, cell)),
        kind=lambda cell: cell.task,
        label=lambda cell: cell.method,
    )
    finish(journal, work, executor)


def _write(
    folder: Path, of: _Comparison, placed: Mapping[int, Cell], journal: Journal
) -> Findings:
    """The tables and what they say, also as files."""
    trials: list[TrialRow] = []
    cells: list[CellRow] = []
    for place, cell in placed.items():
        objective, done = of.objectives[cell.run], done_of(journal, place)
        trials += trial_rows(of.material.suite, cell, objective, done.outcomes)
        cells.append(cell_row(cell, objective, done.cost, done.reason))
    write_rows(folder / "trials.parquet", trials, TRIALS)
    write_rows(folder / "cells.parquet", cells, CELLS)
    found = findings_of(of.asked, of.material, of.seeds, trials, cells)
    about = _about(of, journal)
    write_json(folder / RESULTS, {**plain(found), **about})
    asked = plain(of.asked)
    write_text(folder / REPORT, page(found, asked=asked, about=about))
    return found


def _about(of: _Comparison, journal: Journal) -> dict[str, Any]:
    """How the comparison was made, for ``results.json``."""
    return {
        "run": str(of.family.folder),
        "support": str(of.material.pool),
        "prior": None if of.material.prior is None else str(of.material.prior),
        "options": plain(of.material.suite.options),
        **how_made(journal),
    }
