"""The demonstrations of an experiment: those that were recorded, or collected now."""

from collections.abc import Sequence
from pathlib import Path

from robomtl.demonstrations import layout
from robomtl.demonstrations.collecting import collect
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.errors import InputError
from robomtl.features import EmbodiedSuite
from robomtl.task import Suite, find_task


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


def tasks_by_robot(
    suite: Suite, tasks: Sequence[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Names of tasks by the robot that they are for, each robot's in their order.

    A data set holds tasks of one robot; those of a suite with several are collected into
    a data set for each.

    Args:
        suite: Names the robot of each task, if they differ.
        tasks: Names of tasks; None for the suite's training tasks.

    Raises:
        ValueError: If a task is unknown.
    """
    names = [task.name for task in suite.train_tasks] if tasks is None else tasks
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        robot = ""
        if isinstance(suite, EmbodiedSuite):
            robot = suite.embodiment(find_task(suite, name).name).name
        found[robot] = (*found.get(robot, ()), name)
    return found


def data_sets_in(folder: Path) -> list[Path]:
    """The data set in a folder, or those in the folders inside it, by their names."""
    inside = sorted(path.parents[1] for path in folder.glob(f"*/{layout.INFO}"))
    if (folder / layout.INFO).exists() or not inside:
        return [folder]
    return inside


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
