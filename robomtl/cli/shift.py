"""``robomtl shift``: measures success of policies under shifts of the simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from robomtl.acting.agent import PolicyAgent
from robomtl.cli.agents import suite_for
from robomtl.cli.compute_flags import ExecutorFlags
from robomtl.cli.flags import SuiteFlags, own_first
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show_experiment
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.shift import ShiftConfig, shift
from robomtl.experiments.shift.shift_plan import Adaptation
from robomtl.experiments.shift.shift_report import shift_report
from robomtl.suites import unshifted


@own_first
@dataclass(frozen=True, kw_only=True)
class Shift(SuiteFlags, ExecutorFlags):
    """Evaluates policies under shifts of physics, actions, sensors and initial states."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories of policies, which are compared with the first; directories named
    LABEL/seed-NUMBER are seeds of one policy."""
    suite: str | None = None
    """Suite, such as metaworld/MT10; by default the one the first policy was trained on,
    without shifts."""
    shifts: tuple[str, ...] | None = None
    """Shifts, such as friction object_mass; all that the suite supports by default."""
    magnitudes: tuple[str, ...] = ()
    """Magnitudes that replace a shift's defaults, such as friction=0.5,2 action_delay=1,2."""
    tasks: tuple[str, ...] | None = None
    """Tasks to evaluate; all training tasks by default."""
    variations: str = "fresh"
    """Split of variations: fresh, train, or another split of the suite."""
    trials: int = 20
    """Trials of each task under each magnitude."""
    adaptations: tuple[Adaptation, ...] = ()
    """Also evaluate policies adapted to the shift: renormalise re-estimates normalisation
    statistics from their own episodes, finetune trains on demonstrations under the shift."""
    shots: int = 5
    """Number of episodes of each task under the shift that an adaptation may use."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default. An interrupted
    experiment is resumed in the same folder."""


def main(arguments: Sequence[str]) -> None:
    """Runs the experiment for the given arguments."""
    flags = tyro.cli(Shift, args=arguments, prog="robomtl shift")
    config = ShiftConfig(
        shifts=flags.shifts,
        magnitudes=dict(_magnitudes(word) for word in flags.magnitudes),
        tasks=flags.tasks,
        variations=flags.variations,
        trials=flags.trials,
        adaptations=flags.adaptations,
        shots=flags.shots,
    )
    if not flags.runs:
        raise InputError("No run was given; give at least 1 run directory.")
    first = PolicyAgent(flags.runs[0])
    suite = suite_for(first, flags.suite or unshifted(first.card.suite), flags)
    with run_directory(flags.out, "shift", suite.name, flags=flags) as out:
        found = shift(
            flags.runs,
            suite,
            config,
            out=out,
            compute=Compute(executor=flags.executor),
        )
    show_experiment(shift_report(found), out)


def _magnitudes(word: str) -> tuple[str, tuple[float, ...]]:
    """A shift and its magnitudes, from ``NAME=NUMBER,NUMBER``."""
    name, _, values = word.partition("=")
    try:
        return name, tuple(float(value) for value in values.split(","))
    except ValueError as error:
        raise InputError(
            f"--magnitudes has '{word}'; give NAME=NUMBER,NUMBER, such as friction=0.5,2."
        ) from error
