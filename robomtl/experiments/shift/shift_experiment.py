"""The experiment that measures success against the magnitude of shifts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robomtl.acting.actor import check_agent
from robomtl.acting.agent import check_pictures
from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.trials import select
from robomtl.execution.compute import Compute
from robomtl.experiments.cells import Finished
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.experiments.shift.shift_findings import ShiftFindings, findings_of
from robomtl.experiments.shift.shift_plan import (
    Grid,
    LabelledPolicy,
    ShiftCell,
    ShiftConfig,
    grid_of,
    plan,
    policies_of,
)
from robomtl.experiments.shift.shift_playing import PlayShifted, Shared
from robomtl.experiments.shift.shift_report import shift_report
from robomtl.experiments.shift.target_adapting import (
    check_renormalisable,
    collect_under,
)
from robomtl.files.folder_kinds import check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import SPLIT, plain
from robomtl.shifts.shift import SHIFTS
from robomtl.shifts.shifted_suite import ShiftedSuite
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """Policies under shifts; see ``Experiment``."""

    suite: Suite
    policies: Sequence[LabelledPolicy]
    grid: Grid
    config: ShiftConfig
    folder: Path
    title: str = "Shift"
    growing: tuple[str, ...] = ("policies", "shifts", "adaptations")

    def identity(self) -> dict[str, Any]:
        return {
            "policies": {
                f"{each.label}, seed {each.seed}": each.agent.fingerprint
                for each in self.policies
            },
            SPLIT: self.config.variations,
            # Magnitudes are left out: cells name theirs, so that more can be added.
            "shifts": {name: SHIFTS.get(name).unit for name in self.grid},
            # Statistics are estimated over all tasks, so these must not change.
            "adaptations": {
                f"{name} {self.config.shots}": self.tasks
                for name in self.config.adaptations
            },
        }

    def cells(self) -> Sequence[ShiftCell]:
        return plan(self.policies, self.suite, self.grid, self.config)

    @property
    def play(self) -> Callable[[ShiftCell], Done]:
        return PlayShifted(
            Shared(
                agents={(each.label, each.seed): each.agent for each in self.policies},
                suite=self.suite,
                tasks=self.tasks,
                shots=self.config.shots,
                folder=self.folder,
            )
        )

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return [task.name for task in select(self.suite, self.config.tasks)]

    def about(self) -> dict[str, Any]:
        return {"runs": [str(each.agent.run) for each in self.policies]}

    def conclude(self, finished: Sequence[Finished[ShiftCell]]) -> ShiftFindings:
        return findings_of(finished, self.suite.name, self.grid)

    def results(
        self, findings: ShiftFindings, provenance: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {**plain(findings), "kind": "shift", "made": provenance}

    def report(self, findings: ShiftFindings, provenance: Mapping[str, Any]) -> Report:
        return shift_report(findings, provenance=provenance)


@checked
def shift(
    runs: Sequence[Path | str],
    suite: Suite,
    config: ShiftConfig | None = None,
    *,
    out: Path | str,
    compute: Compute | None = None,
) -> ShiftFindings:
    """Measures the success of policies against the magnitude of shifts of their suite.

    All policies play the same trials under every magnitude, so that differences are
    paired; with ``adaptations``, also after adapting to the shift. Every finished cell is
    saved, and a repeated call resumes. It may add policies, shifts and magnitudes.

    Args:
        runs: Run directories. Those named ``LABEL/seed-NUMBER`` are seeds of one policy;
            policies are compared with the first.
        suite: The suite without shifts; its criterion of success applies.
        config: Shifts, magnitudes and trials; the defaults if None.
        out: Folder for ``results.json``, ``trials.parquet``, ``cells.parquet``,
            ``report.html`` and the journal; made if missing.
        compute: Processes or cluster, and the limit of time of a step.

    Raises:
        InputError: If a shift or magnitude is unknown or not supported by the suite; if a
            policy does not fit the suite, is given twice or lacks a seed that another
            has; or if the folder belongs to another experiment.
    """
    config, compute = config or ShiftConfig(), compute or Compute()
    folder = located(out)
    if isinstance(suite, ShiftedSuite):
        raise InputError(
            f"{suite.name} is shifted already; give {suite.suite.name}, and the shifts"
            " and magnitudes as settings."
        )
    grid = grid_of(suite, config)
    policies = policies_of(runs)
    for each in policies:
        check_agent(each.agent, suite, config.tasks)
        check_pictures(each.agent, suite)
        if "renormalise" in config.adaptations:
            check_renormalisable(each.label, each.agent.card)
    check_no_run(folder)
    experiment = _Experiment(
        suite=suite, policies=policies, grid=grid, config=config, folder=folder
    )
    cells = experiment.cells()  # Refuses unknown tasks and too many trials.
    executor = compute.playing
    with locked(folder):
        if "finetune" in config.adaptations:
            collect_under(
                suite,
                dict.fromkeys((cell.shift, cell.magnitude) for cell in cells),
                folder,
                tasks=experiment.tasks,
                shots=config.shots,
                compute=compute.local,
            )
        return run_experiment(experiment, folder, executor)
