"""``robomtl features``: tests what the features of policies encode."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.cli.compute_flags import CellFlags
from robomtl.cli.flags import own_first
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show_report
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.probe.feature_probe import FeatureConfig, probe_features
from robomtl.experiments.probe.feature_report import feature_report
from robomtl.experiments.running import REPORT
from robomtl.experiments.settings import by_label


@own_first
@dataclass(frozen=True, kw_only=True)
class Features(CellFlags, FeatureConfig):
    """Predicts positions from the features of policies, and from random features."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Run directories of policies; LABEL=RUN gives one a label."""
    data: Path
    """Data set from whose frames features are computed."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default. More policies can be added
    to an existing one."""


def main(arguments: Sequence[str]) -> None:
    """Runs the probe for the given arguments."""
    flags = tyro.cli(Features, args=arguments, prog="robomtl features")
    runs = by_label(flags.runs, noun="run")
    if not runs:
        raise InputError("No run was given; give at least 1 run directory.")
    with run_directory(flags.out, "features", flags.data.name, flags=flags) as out:
        found = probe_features(
            runs,
            flags.data,
            out=out,
            config=FeatureConfig(every=flags.every, held_out=flags.held_out),
            compute=Compute(executor=flags.executor),
        )
    show_report(feature_report(found))
    print(f"Report: {out / REPORT}")
