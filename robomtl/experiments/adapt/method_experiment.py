"""The experiment that compares adaptation methods on tasks never seen in training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl.adaptation.method import Budget
from robomtl.arguments import checked
from robomtl.demonstrations import Demonstrations
from robomtl.execution.compute import Compute
from robomtl.execution.machine import check_device, resolved_in
from robomtl.experiments.adapt.adapting_cells import PlayCell, Shared
from robomtl.experiments.adapt.benchmark import benchmark_of
from robomtl.experiments.adapt.family import Family, find_family, seeds_of
from robomtl.experiments.adapt.family_fits import (
    adapted_in,
    check_supports,
    check_trainings,
)
from robomtl.experiments.adapt.method_analysis import findings_of
from robomtl.experiments.adapt.method_cells import MethodCell, plan
from robomtl.experiments.adapt.method_design import AdaptRequest, configured, objectives
from robomtl.experiments.adapt.method_findings import AdaptationFindings
from robomtl.experiments.adapt.method_report import methods_report
from robomtl.experiments.adapt.support_pool import Supports, pool_for, problems_for
from robomtl.experiments.cells import Finished
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.files.folder_kinds import check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """A comparison of methods on the same policies; see ``Experiment``."""

    request: AdaptRequest
    family: Family
    seeds: tuple[int, ...]
    shared: Shared
    pool: Demonstrations
    title: str = "Adaptations"
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
        self, findings: AdaptationFindings, provenance: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**plain(findings), **provenance}

    def report(
        self, findings: AdaptationFindings, provenance: Mapping[str, Any]
    ) -> Report:
        return methods_report(
            findings, request=plain(self.request), provenance=provenance
        )


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
    """Compares adaptation methods on tasks never seen in training.

    All methods get the same supports and play the same trials, and their costs are
    recorded. Every finished cell is saved, and a repeated call resumes. It may change
    methods, seeds, draws, steps and controls, and keeps the cells that remain. It may
    change shots and tasks only if demonstrations are given, since collected ones are for
    the first request.

    Args:
        run: Run directory of a policy, or a folder of run directories
            ``OBJECTIVE/seed-NUMBER``.
        suite: Suite of the policies, which defines the held-out tasks. For policies of
            several robots also the suite of another robot, all of whose tasks are new.
        request: Methods, seeds, shots, draws, controls and trials.
        out: Folder for ``trials.parquet``, ``cells.parquet``, ``results.json``,
            ``report.html``, the journal, and the supports if they are collected; made if
            missing.
        supports: Demonstrations that methods may use; collected by default.
        compute: Processes or cluster, device and precision of the methods, and the limit
            of time.

    Raises:
        InputError: If the policies do not fit the suite or the methods, the suite holds
            nothing out, there are fewer demonstrations than shots, or the folder belongs to
            another experiment.
    """
    folder, compute = located(out), compute or Compute()
    check_device(compute.machine.device)  # Before the collection, which takes long.
    check_no_run(folder)
    methods, family = configured(request), find_family(run)
    needed = objectives(request, methods)
    seeds = seeds_of(family, needed, request.seeds)
    check_trainings(family, needed, seeds, methods)
    suite = adapted_in(family, suite)
    if not suite.train_tasks:
        # Without training tasks of this robot there is nothing to forget.
        request = replace(request, retained=0)
    supports = supports or Supports()
    benchmark = benchmark_of(suite, request.tasks)
    pool = pool_for(benchmark, request, folder, supports, compute.local)
    posed = problems_for(benchmark, request, pool)
    check_supports(family, needed, seeds, pool.take([0]))
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
        return run_experiment(experiment, folder, compute.executed)
