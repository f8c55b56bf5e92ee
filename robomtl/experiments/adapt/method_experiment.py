"""Methods of adaptation compared on tasks that training never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl.adaptation.adapting import check_training
from robomtl.adaptation.method import Budget, Method
from robomtl.adaptation.support import Support, check_fit
from robomtl.arguments import checked
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import InputError, OtherRequestError
from robomtl.execution.compute import Compute
from robomtl.execution.machine import check_device, resolved_in
from robomtl.experiments.adapt.adapting_cells import PlayCell, Shared
from robomtl.experiments.adapt.benchmark import (
    Problem,
    benchmark_of,
    check_trials,
    draw_for,
    goal_suite,
    pool_split,
    problem_tasks,
    problems,
)
from robomtl.experiments.adapt.controls import check_control
from robomtl.experiments.adapt.family import Family, find_family, seeds_of
from robomtl.experiments.adapt.folds import all_held_out
from robomtl.experiments.adapt.method_analysis import findings_of
from robomtl.experiments.adapt.method_cells import MethodCell, plan
from robomtl.experiments.adapt.method_design import AdaptRequest, configured, objectives
from robomtl.experiments.adapt.method_findings import AdaptationFindings
from robomtl.experiments.adapt.method_report import methods_report
from robomtl.experiments.cells import Finished
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.features import robot_of
from robomtl.files.folder_kinds import check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.joint import JointSuite, options_in
from robomtl.task import Suite

POOL = "support"
_SPARE = 2  # Demonstrations a problem that are collected for each the most shots take.


@dataclass(frozen=True, kw_only=True)
class Supports:
    """Demonstrations that methods may use."""

    data: Path | str | None = None
    """Demonstrations of the tasks to adapt to; collected if None."""
    prior: Path | str | None = None
    """Demonstrations that the policies were trained on, for methods that read them again;
    those beside the policies if None."""
    noise: float = 0.0
    """Disturbance of the experts that supports are collected from; see ``collect``."""


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """Methods that adapt the same policies; see ``Experiment``."""

    request: AdaptRequest
    family: Family
    seeds: tuple[int, ...]
    shared: Shared
    pool: Demonstrations
    title: str = "Adapting"
    growing: tuple[str, ...] = ("methods", "fingerprints")

    @property
    def suite(self) -> Suite:
        return self.shared.suite

    def identity(self) -> dict[str, Any]:
        request, shared = self.request, self.shared
        needed = {*objectives(request, shared.methods).values()}
        return {
            **{
                name: getattr(request, name)
                for name in ("trials", "goals", "batch_size")
            },
            "methods": {
                label: {"method": request.methods[label], **plain(method)}
                for label, method in shared.methods.items()
            },
            "fingerprints": {
                f"{objective}/{seed}": member.trained.fingerprint
                for objective, some in self.family.members.items()
                for seed, member in some.items()
                if objective in needed and seed in self.seeds
            },
            "support": self.pool.fingerprint,
            "prior": shared.prior and Demonstrations(shared.prior).fingerprint,
        }

    def cells(self) -> Sequence[MethodCell]:
        shared = self.shared
        return plan(
            self.request,
            shared.methods,
            self.family,
            self.seeds,
            shared.problems,
            shared.suite,
        )

    @property
    def play(self) -> PlayCell:
        return PlayCell(self.shared)

    def about(self) -> dict[str, Any]:
        prior = self.shared.prior
        return {
            "run": str(self.family.folder),
            "support": str(self.shared.pool),
            "prior": None if prior is None else str(prior),
        }

    def conclude(self, finished: Sequence[Finished[MethodCell]]) -> AdaptationFindings:
        return findings_of(self.request, self.shared, self.seeds, finished)

    def results(
        self, found: AdaptationFindings, made: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**plain(found), **made}

    def report(self, found: AdaptationFindings, made: Mapping[str, Any]) -> Report:
        return methods_report(found, request=plain(self.request), made=made)


@checked
def compare_methods(
    run: Path | str | Family,
    suite: Suite,
    request: AdaptRequest,
    *,
    out: Path | str,
    supports: Supports | None = None,
    compute: Compute | None = None,
) -> AdaptationFindings:
    """How methods of adaptation do on tasks that training never saw.

    All methods get the same supports, play the same trials, and have their costs
    recorded. Every finished cell is kept at once: called again, whatever stopped it
    before, it resumes. Methods, seeds, draws, steps and controls may be others than
    before: what is finished of those that stay is kept. So may shots and tasks where
    demonstrations are given; those that were collected are of the first request.

    Args:
        run: Run directory of a policy, or a folder of them by objective and seed,
            ``OBJECTIVE/seed-NUMBER``.
        suite: That of the policies, which says what is held out; for policies of several
            robots also one of a robot that they never saw, all of whose tasks are new.
        request: Methods, seeds, shots, draws, controls and trials.
        out: Folder for ``trials.parquet``, ``cells.parquet``, ``results.json``,
            ``report.html``, the journal, and the supports where they are collected; made
            if missing.
        supports: Demonstrations that methods may use; collected by default.
        compute: Processes or cluster, device and precision of the methods, and the limit
            of time.

    Raises:
        InputError: If the policies do not fit the suite or the methods, the suite holds
            nothing out, there are fewer demonstrations than shots, or the folder holds
            another comparison.
    """
    folder, compute = located(out), compute or Compute()
    check_device(compute.machine.device)  # Before anything is collected.
    check_no_run(folder)
    methods, family = configured(request), find_family(run)
    needed = objectives(request, methods)
    seeds = seeds_of(family, needed, request.seeds)
    _check_trainings(family, needed, seeds, methods)
    suite = adapted_in(family, suite)
    if not suite.train_tasks:
        # No task of this robot can be forgotten.
        request = replace(request, retained=0)
    supports, executor = supports or Supports(), compute.executed
    pool = _pool(suite, request, folder, supports, executor.workers)
    posed = _problems(suite, request, pool)
    support = draw_for(pool, suite, posed[0], shots=1, draw=0)
    _check_supports(family, needed, seeds, support)
    prior = supports.prior or family.prior
    with locked(folder):
        machine = resolved_in(folder, compute.machine)
        shared = Shared(
            suite=suite,
            methods=methods,
            problems=posed,
            pool=pool.path.absolute(),
            prior=None if prior is None else located(prior),
            budget=Budget(batch_size=request.batch_size, machine=machine),
        )
        experiment = _Experiment(
            request=request, family=family, seeds=seeds, shared=shared, pool=pool
        )
        return run_experiment(experiment, folder, executor)


def check_playable(suite: Suite, request: AdaptRequest, supports: Supports) -> None:
    """Refuses what ``compare_methods`` would, before policies are trained for it.

    Raises:
        InputError: If a task is unknown or not held out, there are fewer trials than
            requested, or demonstrations are given and too few.
    """
    if supports.data is not None:
        _problems(suite, request, Demonstrations(supports.data).succeeded())
        return
    tasks = problem_tasks(suite, request.tasks)
    check_trials(suite, tasks, trials=request.trials)


def adapted_in(family: Family, suite: Suite) -> Suite:
    """The suite, with all tasks held out if its robots were never seen.

    Raises:
        InputError: If policies were trained on another one, and may have seen what this one
            holds out; or if it is a joint suite, whose demonstrations are of several robots.
    """
    if isinstance(suite, JointSuite):
        names = " or ".join(each.name for each in suite.suites)
        raise InputError(
            f"Methods adapt to one robot at a time, and {suite.name} joins several suites;"
            f" give one suite, such as --suite {names}, or one of a robot never seen."
        )
    every = (*suite.train_tasks, *suite.held_out_tasks)
    robots = {robot_of(suite, task.name) for task in every}
    unseen = False
    for some in family.members.values():
        for member in some.values():
            card = member.trained.card
            known = {each.name for each in card.spec.embodiments}
            if card.suite in ("", suite.name) or suite.name in options_in(
                card.suite, {}
            ):
                continue
            if len(known) < 2 or robots & known:
                raise InputError(
                    f"{member.run} was trained on {card.suite}, not on {suite.name}:"
                    " what that one holds out it may have seen. Give --suite"
                    f" {card.suite}, or policies trained on {suite.name}."
                )
            unseen = True
    return all_held_out(suite) if unseen else suite


def _pool(
    suite: Suite,
    request: AdaptRequest,
    folder: Path,
    supports: Supports,
    workers: int,
) -> Demonstrations:
    """The demonstrations that supports are drawn from, collected if need be."""
    if supports.data is not None:
        return Demonstrations(supports.data).succeeded()
    names = [task.name for task in problem_tasks(suite, request.tasks)]
    split = pool_split(suite)
    each = 1
    if benchmark_of(suite) == "infer":  # Variations go through the goals in turn.
        each = len(goal_suite(suite).goal_numbers(names[0], split))
    config = CollectionConfig(
        tasks=names,
        split=split,
        episodes=_SPARE * max(request.shots) * each,
        noise=supports.noise,
    )
    try:
        return collect(
            suite, folder / POOL, config=config, compute=Compute(workers=workers)
        )
    except OtherRequestError as error:
        raise error.followed_by(
            "Demonstrations are collected for the first --shots, --tasks and --noise of a"
            " folder; where they are given (--data), shots and tasks may change."
        ) from error


def _problems(
    suite: Suite, request: AdaptRequest, pool: Demonstrations
) -> tuple[Problem, ...]:
    """The problems that methods adapt to.

    Raises:
        InputError: If the pool is too small, or the suite cannot have a control.
    """
    found = problems(
        suite,
        problem_tasks(suite, request.tasks),
        pool,
        shots=max(request.shots),
        trials=request.trials,
        goals=request.goals,
    )
    for control in request.controls:
        check_control(control, suite, found)
    return found


def _check_supports(
    family: Family, needed: Mapping[str, str], seeds: Sequence[int], support: Support
) -> None:
    """Makes sure that policies fit supports."""
    for objective in {*needed.values()}:
        for seed in seeds:
            check_fit(family.of(objective)[seed].trained.card, support)


def _check_trainings(
    family: Family,
    needed: Mapping[str, str],
    seeds: Sequence[int],
    methods: Mapping[str, Method],
) -> None:
    """Makes sure that policies fit methods, before demonstrations are collected."""
    for label, objective in needed.items():
        for seed in seeds:
            try:
                check_training(methods[label], family.of(objective)[seed].trained)
            except InputError as error:
                raise InputError(f"The method {label}: {error}") from error
