"""``robomtl shift``: success of policies against the magnitude of shifts."""

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
    """Plays policies under shifts of physics, actions, sensors and starts."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run directories of policies; those named LABEL/seed-NUMBER are seeds of one. The
    others are compared with the first."""
    suite: str | None = None
    """Suite, such as metaworld/MT10; by default the one the first policy was trained on,
    without shifts."""
    shifts: tuple[str, ...] | None = None
    """Shifts, such as friction object_mass; all that the suite can do by default."""
    magnitudes: tuple[str, ...] = ()
    """Magnitudes in place of a shift's own, such as friction=0.5,2 action_delay=1,2."""
    tasks: tuple[str, ...] | None = None
    """Tasks to play; all training tasks by default."""
    variations: str = "fresh"
    """Split of variations: fresh, train, or one of the suite's own."""
    trials: int = 20
    """Trials of each task under each magnitude."""
    adaptations: tuple[Adaptation, ...] = ()
    """Play policies also once they have learned of the shift: renormalise re-estimates
    statistics from their own episodes, finetune trains on demonstrations under it."""
    shots: int = 5
    """Episodes of each task under the shift that an adaptation may use."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default. An interrupted
    experiment is resumed in the same folder."""


def main(arguments: Sequence[str]) -> None:
    """Plays as the arguments say."""
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
        raise InputError("Name at least 1 run directory.")
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
