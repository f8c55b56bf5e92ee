"""The feature probe: positions by a linear probe, tasks by retrieval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.arguments import checked
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.cells import Finished
from robomtl.experiments.probe.feature_cells import (
    FeatureCell,
    MeasureCell,
    fitted_of,
    plan,
    things_of,
)
from robomtl.experiments.probe.feature_findings import FeatureFindings, findings_of
from robomtl.experiments.probe.feature_reading import episodes_for
from robomtl.experiments.probe.feature_report import feature_report
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.files.folder_kinds import check_no_run
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.files.run_record import read_record
from robomtl.ranges import check_counts, check_types, settings
from robomtl.suites import suite
from robomtl.task import Suite


@settings
@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """Settings of a feature probe: frames to read and episodes to hold out."""

    every: int = 4
    """Steps between two frames of an episode that are read."""
    held_out: float = 0.3
    """Fraction of each task's episodes, the last ones, that are held out from the fit."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a setting is out of range.
        """
        check_types(self)
        check_counts(self, "every")
        if not 0 < self.held_out < 1:
            raise InputError(
                f"held_out is {self.held_out}; give a fraction between 0 and 1."
            )


@dataclass(frozen=True, kw_only=True)
class _Experiment:
    """A feature probe of several policies; see ``Experiment``."""

    runs: Mapping[str, FeatureCell]
    fingerprints: Mapping[str, str]
    data: Demonstrations
    suite: Suite
    config: FeatureConfig
    title: str = "Reading features"
    growing: tuple[str, ...] = ("fingerprints",)

    def identity(self) -> dict[str, Any]:
        return {
            **plain(self.config),
            "fingerprints": self.fingerprints,
            "episodes": self.data.fingerprint,
        }

    def cells(self) -> Sequence[FeatureCell]:
        return plan(self.runs)

    @property
    def play(self) -> MeasureCell:
        return MeasureCell(
            suite=self.suite,
            data=self.data.path.absolute(),
            stride=self.config.every,
            held_out=self.config.held_out,
        )

    def about(self) -> dict[str, Any]:
        return {
            "data": str(self.data.path),
            "runs": {label: cell.run for label, cell in self.runs.items()},
            "config": plain(self.config),
        }

    def conclude(self, finished: Sequence[Finished[FeatureCell]]) -> FeatureFindings:
        return findings_of(self.suite.name, finished)

    def results(
        self, findings: FeatureFindings, provenance: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {"format": 1, "kind": "features", **plain(findings), **provenance}

    def report(
        self, findings: FeatureFindings, provenance: Mapping[str, Any]
    ) -> Report:
        return feature_report(findings, provenance=provenance)


@checked
def probe_features(
    runs: Mapping[str, Path | str],
    data: Path | str,
    *,
    out: Path | str,
    config: FeatureConfig | None = None,
    compute: Compute | None = None,
) -> FeatureFindings:
    """Measures how well a linear map predicts positions from the features of policies.

    Each policy is compared with the same network at initialisation. For policies
    pre-trained by ``language_alignment``, also measures how often an instruction retrieves
    an episode of its task. Every finished policy is saved, and a repeated call resumes. It
    may add policies.

    Args:
        runs: Run directories by label; runs of one objective differ by seed.
        data: Data set of a suite that defines the indices of positions in its states.
        out: Folder for ``results.json``, ``cells.parquet``, ``report.html`` and the
            journal; made if missing.
        config: Frames to read and episodes to hold out; the defaults if None.
        compute: Processes or cluster, and the limit of time.

    Raises:
        InputError: If there is no run, or two have the same objective and seed; if a
            policy has no features or does not fit the data; or if the data set names no
            suite with positions, or has too few episodes.
    """
    folder, path = located(out), located(data)
    compute, config = compute or Compute(), config or FeatureConfig()
    if not runs:
        raise InputError("No run was named; name at least 1.")
    trained = {label: checkpoint.load(run) for label, run in runs.items()}
    for each in trained.values():
        fitted_of(episodes_for(each, path), config.held_out)
    demonstrations = Demonstrations(path)
    made = _suite_with_positions(demonstrations)
    cells = {
        label: _cell(label, located(run), trained[label].card.objective)
        for label, run in runs.items()
    }
    _check_seeds(cells)
    experiment = _Experiment(
        runs=cells,
        fingerprints={label: each.fingerprint for label, each in trained.items()},
        data=demonstrations,
        suite=made,
        config=config,
    )
    check_no_run(folder)
    with locked(folder):
        return run_experiment(experiment, folder, compute.executed)


def _suite_with_positions(demonstrations: Demonstrations) -> Suite:
    """The suite of a data set, checked to define positions for each of its tasks."""
    if demonstrations.suite is None:
        raise InputError(
            f"{demonstrations.path} names no suite, so the indices of positions in its"
            " states are unknown; give data that robomtl collected."
        )
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    for task in demonstrations.tasks:
        things_of(made, task)
    return made


def _cell(label: str, run: Path, objective: str) -> FeatureCell:
    record = read_record(run)
    return FeatureCell(
        trials=(),
        run=str(run.absolute()),
        run_label=label,
        objective=objective,
        seed=0 if record is None else record.seed,
        weights="trained",
    )


def _check_seeds(runs: Mapping[str, FeatureCell]) -> None:
    known: dict[tuple[str, int], str] = {}
    for label, cell in runs.items():
        other = known.setdefault((cell.objective, cell.seed), label)
        if other != label:
            raise InputError(
                f"{other} and {label} were both trained with the objective"
                f" {cell.objective} and seed {cell.seed}; give each seed once."
            )
