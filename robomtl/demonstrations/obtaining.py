"""The demonstrations of an experiment: those that were recorded, or collected now."""

from pathlib import Path

from robomtl.demonstrations.collecting import collect
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.errors import InputError
from robomtl.task import Suite


def check_suite(demonstrations: Demonstrations, suite: str, advice: str) -> None:
    """Refuses demonstrations that were not recorded in a suite.

    Args:
        demonstrations: Recorded before.
        suite: Full name of the suite.
        advice: The remedy, as the end of the message.

    Raises:
        InputError: If they are of another suite, or of another tool.
    """
    if demonstrations.suite != suite:
        raise InputError(
            f"{demonstrations.path} {demonstrations.origin}, but {suite} is needed;"
            f" {advice}."
        )


def obtain(
    suite: Suite,
    folder: Path,
    *,
    data: Path | str | None,
    episodes: int,
    noise: float,
    seed: int,
    workers: int,
) -> Demonstrations:
    """Demonstrations of the training tasks of a suite.

    Args:
        suite: Supplies the tasks.
        folder: Receives ``demonstrations/`` where they are collected.
        data: Those recorded before, of the same suite; collected when None.
        episodes: Of each task; the first, where there are more.
        noise: Greatest disturbance of the experts that are collected from.
        seed: Of the disturbance.
        workers: Processes that collect.

    Raises:
        ValueError: If what was recorded is of another suite or has fewer episodes.
    """
    if data is None:
        return collect(
            suite,
            folder / "demonstrations",
            episodes=episodes,
            noise=noise,
            seed=seed,
            workers=workers,
        )
    recorded = Demonstrations(data)
    check_suite(recorded, suite.name, "give data of that suite, or none to collect it")
    return recorded.select(per_task=episodes)
