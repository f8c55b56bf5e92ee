"""``robomtl adapt``: compares methods of few-shot adaptation on held-out tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from robomtl.cli.agents import suite_of
from robomtl.cli.compute_flags import ComputeFlags
from robomtl.cli.flags import RecordingFlags, SuiteFlags, own_first
from robomtl.cli.labels import MethodFlags, merged, methods_from
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show_experiment
from robomtl.experiments.adapt.family import find_family, first_member
from robomtl.experiments.adapt.family_fits import adapted_in
from robomtl.experiments.adapt.method_design import configured, objectives
from robomtl.experiments.adapt.method_experiment import compare_methods
from robomtl.experiments.adapt.method_report import methods_report
from robomtl.experiments.adapt.support_pool import Supports, check_playable
from robomtl.experiments.adapt.train_missing import train_missing
from robomtl.experiments.adapt.tuning import read_config


@own_first
@dataclass(frozen=True, kw_only=True)
class Adapt(SuiteFlags, ComputeFlags, RecordingFlags, MethodFlags):
    """Adapts policies to held-out tasks by every method and writes the results."""

    run: tyro.conf.Positional[Path]
    """Run directory of a policy, or a folder of policies: OBJECTIVE/seed-NUMBER."""
    suite: str | None = None
    """Suite, such as metaworld/ML45; by default the one the policies were trained on."""
    config: Path | None = None
    """File of hyper-parameters chosen by `robomtl tune`; --settings override them."""
    seeds: int | None = None
    """Number of training seeds to compare; all available ones by default."""
    retained: int = 5
    """Trials of each training task to measure forgetting; 0 for none."""
    train: bool = False
    """First train the policies that the methods need and RUN lacks, as RUN was trained."""
    data: Path | None = None
    """Demonstrations of the held-out tasks; collected by default."""
    prior: Path | None = None
    """Demonstrations that the policies were trained on; by default those in RUN."""
    noise: float | None = None
    """Largest standard deviation of the noise on the experts' actions while collecting; 0
    by default."""


def main(arguments: Sequence[str]) -> None:
    """Runs the comparison for the given arguments."""
    flags = tyro.cli(Adapt, args=arguments, prog="robomtl adapt")
    request = replace(methods_from(flags), seeds=flags.seeds)
    if flags.config is not None:
        chosen = read_config(flags.config, request.methods)
        settings = merged(chosen, request.settings, request.methods)
        request = replace(request, settings=settings)
    supports = Supports(data=flags.data, prior=flags.prior, noise=flags.noise_or(0.0))
    family = find_family(flags.run)
    member = first_member(family)
    suite = suite_of(member.trained.card, member.run.name, flags.suite, flags)
    with run_directory(flags.out, "adapt", suite.name, flags=flags) as out:
        if flags.train:
            check_playable(adapted_in(family, suite), request, supports)
            needed = objectives(request, configured(request))
            family = train_missing(
                family,
                needed.values(),
                seeds=flags.seeds,
                compute=flags.compute,
            )
        found = compare_methods(
            family,
            suite,
            request,
            out=out,
            supports=supports,
            compute=flags.compute,
        )
    show_experiment(methods_report(found), out)
