"""The lifelong experiment, and the function ``lifelong`` that runs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl.arguments import checked
from robomtl.conditioning.conditioning import check_kinds
from robomtl.continual.lifelong_method import StreamSetting
from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.collect_missing import data_in, parts_of
from robomtl.errors import InputError
from robomtl.evaluation.formatting import counted
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.execution.compute import Compute
from robomtl.execution.machine import check_device, resolved_in
from robomtl.experiments.cells import Finished
from robomtl.experiments.enough_data import check_enough, collect_enough
from robomtl.experiments.lifelong.lifelong_design import (
    LifelongRequest,
    StreamCell,
    plan,
    variants_of,
)
from robomtl.experiments.lifelong.lifelong_findings import LifelongFindings, findings_of
from robomtl.experiments.lifelong.lifelong_report import lifelong_report
from robomtl.experiments.lifelong.streaming import (
    LearnStream,
    Shared,
    demonstrations_of,
)
from robomtl.experiments.lifelong.streams import checked_stream
from robomtl.experiments.lifelong.variants import Variant, check_variant
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.files.folder_kinds import check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.task import Suite
from robomtl.training.before_collecting import check_observable
from robomtl.training.kept_settings import continued_on

NOISE = 0.5
"""Noise on the experts' actions where demonstrations are collected; see ``collect``."""


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """The experiment in which methods learn the same stream; see ``Experiment``."""

    shared: Shared
    title: str = "Streams"
    growing: tuple[str, ...] = ("methods",)

    @property
    def suite(self) -> Suite:
        return self.shared.suite

    def identity(self) -> dict[str, Any]:
        request = self.shared.request
        fixed = ("task_id", "demonstrations", "trials", "steps", "batch_size")
        return {
            "stream": list(self.shared.stream),
            **{name: getattr(request, name) for name in fixed},
            "methods": {k: self._identity_of(k) for k in self.shared.variants},
            "data": self.shared.sha256,
        }

    def _identity_of(self, label: str) -> Any:
        variant = self.shared.variants[label]
        # The device may change on resuming, as processors may.
        return plain(replace(variant, training=replace(variant.training, device="cpu")))

    def cells(self) -> Sequence[StreamCell]:
        shared = self.shared
        return plan(shared.request, shared.variants, shared.stream, shared.suite)

    @property
    def play(self) -> LearnStream:
        return LearnStream(self.shared)

    def about(self) -> dict[str, Any]:
        return {"demonstrations": str(self.shared.data)}

    def conclude(self, finished: Sequence[Finished[StreamCell]]) -> LifelongFindings:
        return findings_of(self.shared, finished)

    def results(
        self, findings: LifelongFindings, provenance: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**plain(findings), "made": provenance}

    def report(
        self, findings: LifelongFindings, provenance: Mapping[str, Any]
    ) -> Report:
        return lifelong_report(
            findings, request=plain(self.shared.request), provenance=provenance
        )


@checked
def lifelong(
    suite: Suite,
    request: LifelongRequest | None = None,
    *,
    out: Path | str,
    data: Path | str | None = None,
    noise: float = NOISE,
    compute: Compute | None = None,
) -> LifelongFindings:
    """Compares methods on a stream of tasks: transfer, and forgetting of each task.

    All methods learn from the same demonstrations in the same orders, take the same number
    of gradient steps on each task, and play the same trials after each. Every finished
    stage is saved immediately: called again after an interruption, the experiment resumes.
    Methods, orders and seeds may be added later; what is finished is kept.

    Args:
        suite: Supplies the tasks.
        request: Stream, methods, demonstrations, orders, seeds and trials; the defaults if
            None.
        out: Folder for ``trials.parquet``, ``cells.parquet``, ``results.json``,
            ``report.html``, the journal, ``runs/`` with a run directory for each stage,
            and the demonstrations where they are collected; made if missing.
        data: Demonstrations of the tasks; collected if None.
        noise: Noise on the experts' actions while collecting; see ``collect``.
        compute: Processes or cluster, device and precision of training unless the
            settings of a method name them, and the time limit.

    Raises:
        InputError: If the stream has a task twice or an unknown one, a method or a setting
            is unknown or does not fit, the suite does not allow the conditioning, a policy
            cannot read what the suite observes, there are fewer demonstrations than
            requested, or the folder contains another experiment.
    """
    request, compute = request or LifelongRequest(), compute or Compute()
    folder = located(out)
    check_device(compute.machine.device)  # Before anything is collected.
    stream, variants = checked_stream(suite, request.stream), variants_of(request)
    _check(request, suite, stream, variants)
    check_no_run(folder)
    with locked(folder):
        if data is None:
            _check_observable(suite, stream, variants)
            data = collect_enough(
                suite,
                folder,
                tuple(dict.fromkeys(stream)),
                request.demonstrations,
                noise=noise,
                compute=compute.local,
            )
        shared = _shared(request, suite, stream, variants, located(data), folder)
        machine = resolved_in(folder, compute.machine)
        continued = {
            label: replace(each, training=continued_on(machine, each.training))
            for label, each in variants.items()
        }
        shared = replace(shared, variants=continued)
        return run_experiment(_Experiment(shared=shared), folder, compute.executed)


def _check_observable(
    suite: Suite, stream: tuple[str, ...], variants: Mapping[str, Variant]
) -> None:
    """Refuses a method whose policies cannot read the demonstrations to be collected."""
    for each in variants.values():
        check_observable(
            suite,
            policy=each.policy,
            conditioning=each.conditioning,
            config=each.training,
            tasks=stream if each.method.at_once else stream[:1],
        )


def _check(
    request: LifelongRequest,
    suite: Suite,
    stream: tuple[str, ...],
    variants: Mapping[str, Variant],
) -> None:
    """Refuses methods that do not fit, several robots, and more trials than exist."""
    setting = StreamSetting(
        stages=len(stream),
        demonstrations=request.demonstrations,
        policy=request.policy,
        conditioning=request.conditioning,
    )
    for label, variant in variants.items():
        check_variant(label, variant, setting, request.task_id)
        check_kinds(variant.conditioning, suite.goal)
    tasks = tuple(dict.fromkeys(stream))
    if len(robots := parts_of(suite, tasks)) > 1:
        raise InputError(
            f"{suite.name} has {counted(len(robots), 'robot')} for these tasks, and a"
            " stream is learned by one robot; name tasks of one robot (--tasks)."
        )
    trials_plan(suite, tasks, episodes=request.trials)


def _shared(
    request: LifelongRequest,
    suite: Suite,
    stream: tuple[str, ...],
    variants: Mapping[str, Variant],
    data: Path,
    folder: Path,
) -> Shared:
    """Data and settings that all cells share; see ``lifelong`` for the errors raised."""
    recorded = data_in(data)
    if not isinstance(recorded, Demonstrations):
        raise InputError(
            f"{data} contains several data sets, and a stream is learned from one data set"
            " of one robot; give a single data set (--data)."
        )
    check_enough(recorded, suite, dict.fromkeys(stream, request.demonstrations))
    shared = Shared(
        request=request,
        suite=suite,
        stream=stream,
        variants=variants,
        data=data,
        sha256="",
        runs=(folder / "runs").absolute(),
    )
    return replace(shared, sha256=demonstrations_of(shared).fingerprint)
