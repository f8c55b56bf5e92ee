"""``robomtl probe``: tests whether a policy uses its instruction."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from robomtl.cli.agents import named_agent, suite_for
from robomtl.cli.compute_flags import ServingFlags
from robomtl.cli.flags import SuiteFlags, own_first
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show_report
from robomtl.evaluation.conditions import Conditions
from robomtl.execution.compute import Compute
from robomtl.execution.serving import placed
from robomtl.experiments.probe import ProbeConfig, probe
from robomtl.experiments.probe.probe_report import probe_report
from robomtl.experiments.probe.probing import MARGIN
from robomtl.experiments.resumed_evaluation import serving_device


@own_first
@dataclass(frozen=True, kw_only=True)
class Probe(SuiteFlags, ServingFlags):
    """Evaluates a policy with right, reworded, wrong and empty instructions."""

    run: tyro.conf.Positional[str]
    """Run directory of a policy with a conditioning."""
    suite: str | None = None
    """Suite, such as metaworld/MT10; by default the one the policy was trained on."""
    kinds: tuple[str, ...] | None = None
    """Kinds of instruction beside the right one: paraphrased, held-out, shuffled, empty,
    wrong; by default all that apply to the policy."""
    tasks: tuple[str, ...] | None = None
    """Tasks to evaluate; all training tasks by default."""
    variations: str = "fresh"
    """Split of variations: fresh, train, or another split of the suite."""
    episodes: int = 50
    """Trials per task and kind."""
    until: Literal["horizon", "success"] = "success"
    """Whether a trial ends at its horizon or at its first success."""
    margin: float = MARGIN
    """Difference in success below which a policy counts as ignoring its instruction."""
    seed: int = 0
    """Seed of the assignment of other tasks' instructions (shuffled)."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default. An interrupted probe is
    resumed in the same folder."""


def main(arguments: Sequence[str]) -> None:
    """Runs the probe for the given arguments."""
    flags = tyro.cli(Probe, args=arguments, prog="robomtl probe")
    agent, executor = named_agent(flags.run), flags.executor
    suite = suite_for(agent, flags.suite, flags)
    device = None if flags.ray else serving_device(agent, flags.device, flags.out)
    with (
        placed(agent, device) as acting,
        run_directory(flags.out, "probe", suite.name, flags=flags) as out,
    ):
        conditions = Conditions(
            tasks=flags.tasks,
            split=flags.variations,
            episodes=flags.episodes,
            until=flags.until,
            seed=flags.seed,
        )
        config = ProbeConfig(
            kinds=flags.kinds, conditions=conditions, margin=flags.margin
        )
        found = probe(
            acting, suite, out=out, config=config, compute=Compute(executor=executor)
        )
    show_report(probe_report(found))
    print(f"Report: {out / 'report.html'}")
