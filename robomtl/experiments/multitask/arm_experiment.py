"""The multi-task experiment, and the function ``multitask`` that runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.conditioning.conditioning import check_kinds
from robomtl.demonstrations.collect_missing import data_in
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.evaluation.journal import read_head
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.execution.compute import Compute
from robomtl.execution.machine import check_device, resolved_in
from robomtl.experiments.cells import Finished
from robomtl.experiments.enough_data import check_enough, collect_enough
from robomtl.experiments.multitask.arm_cells import ArmCell, groups_of, plan
from robomtl.experiments.multitask.arm_design import (
    MultitaskRequest,
    arms_of,
    targets_of,
    tasks_of,
)
from robomtl.experiments.multitask.arm_findings import MultitaskFindings, findings_of
from robomtl.experiments.multitask.arm_report import arms_report
from robomtl.experiments.multitask.arms import Arm
from robomtl.experiments.multitask.learning import LearnCell, Shared
from robomtl.experiments.multitask.parameters import size_of
from robomtl.experiments.multitask.shared_data import check_same, hashes
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.files.folder_kinds import JOURNAL, check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.task import Suite
from robomtl.training.before_collecting import check_observable
from robomtl.training.kept_settings import continued_on
from robomtl.training.trainable import check_balance

_RUNS = "runs"
NOISE = 0.5
"""Noise on the experts' actions where demonstrations are collected; see ``collect``."""


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """The experiment in which arms learn the same tasks; see ``Experiment``."""

    shared: Shared
    title: str = "Gradient steps"
    growing: tuple[str, ...] = ("arms", "data")

    @property
    def suite(self) -> Suite:
        return self.shared.suite

    def identity(self) -> dict[str, Any]:
        shared = self.shared
        return {
            "tasks": list(shared.tasks),
            "trials": shared.request.trials,
            "steps": shared.request.steps,
            "samples": shared.request.samples,
            "arms": {label: self._identity_of(label) for label in shared.arms},
            "data": plain(shared.hashes),
            **(
                {} if shared.target == shared.tasks else {"target": list(shared.target)}
            ),
        }

    def _identity_of(self, label: str) -> Any:
        arm, config = self.shared.arms[label], self.shared.sizes[label].policy_config
        # The device may change on resuming, as processors may.
        training = replace(arm.training, device="cpu")
        known = {"data": None, "policy_config": config, "training": training}
        start = arm.start and checkpoint.load(arm.start).fingerprint
        return plain({**vars(arm), **known, "start": start})

    def cells(self) -> Sequence[ArmCell]:
        shared = self.shared
        return [
            replace(
                cell,
                data=",".join(
                    shared.hashes[cell.demonstrations][k] for k in cell.tasks
                ),
            )
            for cell in plan(
                shared.request, shared.arms, shared.tasks, shared.suite, shared.target
            )
        ]

    @property
    def play(self) -> LearnCell:
        return LearnCell(self.shared)

    def about(self) -> dict[str, Any]:
        paths = {str(path) for path in self.shared.data.values()}
        return {"demonstrations": sorted(paths)}

    def conclude(self, finished: Sequence[Finished[ArmCell]]) -> MultitaskFindings:
        return findings_of(self.shared, finished)

    def results(
        self, findings: MultitaskFindings, provenance: Mapping[str, Any]
    ) -> dict[str, Any]:
        results = plain(findings)
        # Present only for joint suites, and for learned mixtures.
        for name in ("suites", "mixture"):
            if not results[name]:
                del results[name]
        return {**results, "made": provenance}

    def report(
        self, findings: MultitaskFindings, provenance: Mapping[str, Any]
    ) -> Report:
        return arms_report(
            findings, request=plain(self.shared.request), provenance=provenance
        )


@checked
def multitask(
    suite: Suite,
    request: MultitaskRequest | None = None,
    *,
    out: Path | str,
    data: Path | str | None = None,
    noise: float = NOISE,
    compute: Compute | None = None,
) -> MultitaskFindings:
    """Compares multi-task with single-task training at equal budgets.

    All arms learn from the same demonstrations, take the same number of gradient samples
    of every task, and play the same trials. Every finished policy is saved immediately:
    called again after an interruption, the experiment resumes. Arms, seeds and numbers of
    demonstrations may be added later; finished cells are kept.

    Args:
        suite: Supplies the tasks.
        request: Arms, demonstrations, seeds and trials; the defaults if None.
        out: Folder for ``trials.parquet``, ``cells.parquet``, ``results.json``,
            ``report.html``, the journal, ``runs/`` with a run directory for each policy,
            and the demonstrations where they are collected; made if missing.
        data: Demonstrations of the tasks; collected if None.
        noise: Noise on the experts' actions while collecting; see ``collect``.
        compute: Processes or cluster, device and precision of training unless the
            settings of an arm name them, and the time limit.

    Raises:
        InputError: If there is only one task, an arm, a setting or a policy is unknown,
            a policy cannot read what the suite observes, there are fewer demonstrations
            than requested, arms read different demonstrations, or the folder contains
            another experiment.
    """
    folder, compute = located(out), compute or Compute()
    request = (request or MultitaskRequest()).labelled_as(_arms_in(folder))
    check_device(compute.machine.device)  # Before anything is collected.
    tasks, arms = tasks_of(suite, request.tasks), arms_of(request)
    check_playable(suite, request)
    check_no_run(folder)
    most = max((*request.demonstrations, request.source_demonstrations or 0))
    with locked(folder):
        if data is None:
            _check_observable(suite, request, tasks, arms)
            data = collect_enough(
                suite, folder, tasks, most, noise=noise, compute=compute.local
            )
        shared = _shared(request, suite, tasks, arms, located(data), folder)
        machine = resolved_in(folder, compute.machine)
        continued = {
            label: replace(arm, training=continued_on(machine, arm.training))
            for label, arm in arms.items()
        }
        shared = replace(shared, arms=continued)
        return run_experiment(_Experiment(shared=shared), folder, compute.executed)


def _check_observable(
    suite: Suite,
    request: MultitaskRequest,
    tasks: tuple[str, ...],
    arms: Mapping[str, Arm],
) -> None:
    """Refuses an arm whose policies cannot read the demonstrations to be collected."""
    target = targets_of(suite, tasks, request.target)
    for arm in arms.values():
        if arm.data is not None or arm.start is not None:
            continue
        for learned in groups_of(arm, suite, tasks, target):
            check_observable(
                suite,
                policy=arm.policy,
                conditioning=arm.conditioning,
                config=arm.training,
                tasks=learned,
            )


def check_playable(suite: Suite, request: MultitaskRequest) -> None:
    """Checks that a suite allows a request, before anything is collected.

    Raises:
        InputError: If a task, an arm or a setting is unknown, an arm or its conditioning
            does not fit, or there are fewer trials than requested.
    """
    tasks = tasks_of(suite, request.tasks)
    target = targets_of(suite, tasks, request.target)
    for arm in arms_of(request).values():
        groups_of(arm, suite, tasks, target)
        check_kinds(arm.conditioning, suite.goal)
    trials_plan(suite, target, episodes=request.trials)


def _arms_in(folder: Path) -> tuple[str, ...]:
    """Labels of the arms of an experiment that was begun in a folder; empty for none."""
    head = read_head(folder / JOURNAL)
    arms = head.plan.get("arms") if head else None
    return tuple(arms) if isinstance(arms, dict) else ()


def _shared(
    request: MultitaskRequest,
    suite: Suite,
    tasks: tuple[str, ...],
    arms: dict[str, Arm],
    data: Path,
    folder: Path,
) -> Shared:
    """Data and settings that all cells share; see ``multitask`` for the errors raised."""
    target = targets_of(suite, tasks, request.target)
    amounts = {
        n: request.demonstration_counts(tasks, target, n)
        for n in request.demonstrations
    }
    most = amounts[max(request.demonstrations)]
    recorded = data_in(data)
    check_enough(recorded, suite, most)
    wanted = hashes(recorded, amounts)
    for label, arm in arms.items():
        if arm.data is not None:
            other = data_in(arm.data)
            check_enough(other, suite, most)
            check_same(label, arm.data, hashes(other, amounts), wanted)
    fewest = recorded.select(tasks, amounts[min(request.demonstrations)])
    _check_balanced(arms, fewest, request.samples * len(tasks))
    learned = recorded.select(tasks, most)
    return Shared(
        request=request,
        suite=suite,
        tasks=tasks,
        target=target,
        arms=arms,
        sizes={
            label: size_of(label, arm, learned, groups_of(arm, suite, tasks, target))
            for label, arm in arms.items()
        },
        data={label: arm.data or data for label, arm in arms.items()},
        hashes=wanted,
        runs=(folder / _RUNS).absolute(),
    )


def _check_balanced(arms: Mapping[str, Arm], fewest: Data, batch: int) -> None:
    """Checks that arms can balance their tasks at every number of demonstrations.

    Args:
        arms: Arms by label.
        fewest: Demonstrations at the smallest number of them.
        batch: Samples in a gradient step on all tasks.

    Raises:
        InputError: If an arm cannot balance them; see ``check_balance``.
    """
    for label, arm in arms.items():
        if arm.learned != "together":
            continue
        config = checkpoint.configure(arm.policy, arm.policy_config)
        training = replace(arm.training, batch_size=batch)
        loss = str(getattr(config, "loss", ""))
        try:
            check_balance(fewest, training, loss=loss, objective="cloning")
        except InputError as error:
            raise InputError(f"The arm {label}: {error}") from error
