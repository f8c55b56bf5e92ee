"""The experiment that improves policies beyond their demonstrator in rounds of rollouts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.demonstrations.collect_missing import check_suite, parts_of
from robomtl.errors import InputError
from robomtl.evaluation.experts import ExpertAgent
from robomtl.evaluation.trials import select
from robomtl.execution.compute import Compute
from robomtl.execution.machine import check_device, resolved_in
from robomtl.experiments.beyond.beyond_design import NOISE, Design, RoundsCell, plan
from robomtl.experiments.beyond.beyond_findings import ImprovementFindings, findings_of
from robomtl.experiments.beyond.beyond_report import beyond_report
from robomtl.experiments.beyond.improving import (
    ImproveCell,
    Shared,
    demonstrations_of,
)
from robomtl.experiments.cells import Finished
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.files.folder_kinds import check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.task import Suite
from robomtl.training import train
from robomtl.training.trainable import check_trainable


@dataclass(frozen=True, kw_only=True)
class BeyondRecipe:
    """A complete experiment in rounds of rollouts."""

    line: str
    """Description of the recipe, in one line."""
    suite: str
    """Suite of the demonstrations and of the trials."""
    design: Design
    """Arms, rounds and trials."""


BEYOND_RECIPES = {
    "beyond-expert": BeyondRecipe(
        line="MT10 beyond its expert: relabelled rollouts (DAgger) and solved rollouts",
        suite="metaworld/MT10",
        design=Design(),
    ),
}
"""Recipes of experiments in rounds of rollouts, by name."""


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """Arms that start from the same policies; see ``Experiment``."""

    shared: Shared
    sha256: str
    """Hash of the demonstrations that every arm starts from."""
    title: str = "Gradient steps and trials"
    growing: tuple[str, ...] = ("arms", "starts")

    @property
    def suite(self) -> Suite:
        return self.shared.suite

    def identity(self) -> dict[str, Any]:
        design = {
            k: v
            for k, v in plain(self.shared.design).items()
            if k not in ("arms", "seeds")
        }
        starts = {
            str(seed): checkpoint.load(run).fingerprint
            for seed, run in self.shared.starts.items()
        }
        return {
            **design,
            "tasks": list(self.shared.tasks),
            "arms": {arm: arm for arm in self.shared.design.arms},
            "starts": starts,
            "data": self.sha256,
            "precision": self.shared.machine.precision,
        }

    def cells(self) -> Sequence[RoundsCell]:
        return plan(self.shared.design, self.shared.suite)

    @property
    def play(self) -> ImproveCell:
        return ImproveCell(self.shared)

    def about(self) -> dict[str, Any]:
        return {"demonstrations": str(self.shared.data)}

    def conclude(self, finished: Sequence[Finished[RoundsCell]]) -> ImprovementFindings:
        return findings_of(
            self.shared.design, self.shared.suite.name, self.shared.tasks, finished
        )

    def results(
        self, findings: ImprovementFindings, provenance: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**plain(findings), "made": provenance}

    def report(
        self, findings: ImprovementFindings, provenance: Mapping[str, Any]
    ) -> Report:
        return beyond_report(findings, provenance=provenance)


@checked
def beyond(
    suite: Suite,
    design: Design | None = None,
    *,
    out: Path | str,
    data: Path | str | None = None,
    compute: Compute | None = None,
) -> ImprovementFindings:
    """Measures how far rounds of rollouts improve a policy beyond its expert.

    All arms of a seed start from the same policy. In each round, an arm adds episodes to
    its data and continues training from the previous round's policy. All policies play the
    same trials as the expert. After an interruption, the same call resumes.

    Args:
        suite: Suite of the tasks, with experts.
        design: Arms, rounds and trials; the defaults if None.
        out: Folder for ``trials.parquet``, ``cells.parquet``, ``results.json``,
            ``report.html``, the journal, the demonstrations if they are collected, and
            ``runs/`` with the first policies and the episodes and policies of each round.
        data: Demonstrations of the tasks; collected if None.
        compute: Processes or cluster, device and precision of training.

    Raises:
        InputError: If a task is unknown or has no expert, too few demonstrations or too few
            variations; if the suite has several robots; or if the folder belongs to another
            experiment.
    """
    design, folder, compute = design or Design(), located(out), compute or Compute()
    check_device(compute.machine.device)  # Before the collection, which takes long.
    check_trainable(design.policy)
    check_no_run(folder)
    tasks = tuple(task.name for task in select(suite, design.tasks))
    ExpertAgent().check(suite)
    _check_parts(suite, tasks)
    _check_variations(suite, tasks, design)
    plan(design, suite)  # Refuses too many trials.
    with locked(folder):
        if data is None:
            data = folder / "demonstrations"
            config = CollectionConfig(
                tasks=tasks, episodes=design.demonstrations, noise=NOISE
            )
            collect(suite, data, config=config, compute=compute.local)
        seeds = range(design.seeds)
        shared = Shared(
            design=design,
            suite=suite,
            tasks=tasks,
            data=located(data),
            starts={n: folder / "runs/start" / f"seed-{n}" for n in seeds},
            machine=resolved_in(folder, compute.machine),
            runs=(folder / "runs").absolute(),
        )
        made = _Experiment(shared=shared, sha256=_train_starts(shared).fingerprint)
        return run_experiment(made, folder, compute.executed)


def _train_starts(shared: Shared) -> Demonstrations:
    """Trains the policy of each seed from which the arms start.

    Returns:
        The demonstrations that they are trained on.

    Raises:
        InputError: If the demonstrations are of another suite, or too few.
    """
    design, advice = shared.design, "give demonstrations of that suite, or none"
    check_suite(Demonstrations(shared.data), shared.suite.name, advice)
    chosen = demonstrations_of(shared)
    for seed, run in shared.starts.items():
        train(
            chosen,
            out=run,
            policy=design.policy,
            config=shared.config(design.steps, 1e-3, seed),
        )
    return chosen


def _check_parts(suite: Suite, tasks: Sequence[str]) -> None:
    """Refuses tasks whose episodes need several data sets.

    Raises:
        InputError: If there are tasks of several robots or suites.
    """
    parts = parts_of(suite, tasks)
    if len(parts) > 1:
        raise InputError(
            f"{suite.name} has {len(parts)} robots or suites, but rounds of rollouts need"
            f" exactly one; give a suite of one robot, or the tasks of one:"
            f" {parts[0].tasks[0]}, …"
        )


def _check_variations(suite: Suite, tasks: Sequence[str], design: Design) -> None:
    """Refuses more rounds than the training variations allow.

    Raises:
        InputError: If a task has too few training variations.
    """
    needed = design.first(design.rounds + 1)
    for task in tasks:
        count = len(suite.variations(task, "train"))
        if count < needed:
            raise InputError(
                f"{task} has {count} training variations, but {design.rounds} rounds of"
                f" {design.episodes} episodes after {design.demonstrations} demonstrations"
                f" need {needed}; give fewer rounds, episodes or demonstrations."
            )
