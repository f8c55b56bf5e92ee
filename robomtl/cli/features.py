"""``robomtl features``: what the features of policies tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.cli.flags import chosen_executor, own_first, run_directory
from robomtl.cli.tables import show_report
from robomtl.compute import CELL_LIMIT, Compute
from robomtl.errors import InputError
from robomtl.experiments.probe.feature_probe import FeatureConfig, probe_features
from robomtl.experiments.probe.feature_report import feature_report
from robomtl.experiments.running import REPORT
from robomtl.experiments.settings import by_label


@own_first
@dataclass(frozen=True, kw_only=True)
class Features(FeatureConfig):
    """Reads positions off the features of policies, and compares with random features."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Run directories of policies; LABEL=RUN names one."""
    data: Path
    """Data set whose frames are read."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default. More policies may join."""
    workers: int = 2
    """Processes."""
    limit: float = CELL_LIMIT
    """Seconds without progress after which a policy counts as hanging and is tried again."""
    ray: str | None = None
    """Compute on Ray: 'local' starts it here, host:port or 'auto' connects to a cluster."""


def main(arguments: Sequence[str]) -> None:
    """Probes as the arguments say."""
    flags = tyro.cli(Features, args=arguments, prog="robomtl features")
    runs = by_label(flags.runs, noun="run")
    if not runs:
        raise InputError("No run was named; name at least 1 run directory.")
    executor = chosen_executor(flags.workers, flags.ray, None, limit=flags.limit)
    with run_directory(flags.out, "features", flags.data.name) as out:
        found = probe_features(
            runs,
            flags.data,
            out=out,
            config=FeatureConfig(every=flags.every, held_out=flags.held_out),
            compute=Compute(executor=executor),
        )
    show_report(feature_report(found))
    print(f"Report: {out / REPORT}")
