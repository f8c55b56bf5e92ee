"""The problems of a comparison of methods, and the demonstrations that pose them."""

from dataclasses import dataclass
from pathlib import Path

from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import OtherRequestError
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.benchmark import (
    Problem,
    benchmark_of,
    check_trials,
    goal_suite,
    pool_split,
    problem_tasks,
    problems,
)
from robomtl.experiments.adapt.controls import check_control
from robomtl.experiments.adapt.method_design import AdaptRequest
from robomtl.task import Suite

POOL = "support"
_SPARE = 2  # Demonstrations a problem that are collected for each the most shots take.


@dataclass(frozen=True, kw_only=True)
class Supports:
    """Demonstrations that methods may use."""

    data: Path | str | None = None
    """Demonstrations of the tasks to adapt to; collected if None."""
    prior: Path | str | None = None
    """Demonstrations that the policies were trained on, for methods that read them again;
    those beside the policies if None."""
    noise: float = 0.0
    """Disturbance of the experts that supports are collected from; see ``collect``."""


def pool_for(
    suite: Suite,
    request: AdaptRequest,
    folder: Path,
    supports: Supports,
    compute: Compute,
) -> Demonstrations:
    """The demonstrations that supports are drawn from, collected if need be.

    Args:
        suite: Supplies tasks and experts.
        request: Names the tasks and the numbers of shots.
        folder: Of the comparison; receives those that are collected.
        supports: Those that are given, or how to collect.
        compute: Processes that collect.

    Raises:
        InputError: If the folder's were collected for other shots or tasks.
    """
    if supports.data is not None:
        return Demonstrations(supports.data).succeeded()
    names = [task.name for task in problem_tasks(suite, request.tasks)]
    split = pool_split(suite)
    each = 1
    if benchmark_of(suite) == "infer":  # Variations go through the goals in turn.
        each = len(goal_suite(suite).goal_numbers(names[0], split))
    config = CollectionConfig(
        tasks=names,
        split=split,
        episodes=_SPARE * max(request.shots) * each,
        noise=supports.noise,
    )
    try:
        return collect(suite, folder / POOL, config=config, compute=compute)
    except OtherRequestError as error:
        raise error.followed_by(
            "Demonstrations are collected for the first --shots, --tasks and --noise of a"
            " folder; where they are given (--data), shots and tasks may change."
        ) from error


def problems_for(
    suite: Suite, request: AdaptRequest, pool: Demonstrations
) -> tuple[Problem, ...]:
    """The problems that methods adapt to.

    Raises:
        InputError: If the pool is too small, or the suite cannot have a control.
    """
    found = problems(
        suite,
        problem_tasks(suite, request.tasks),
        pool,
        shots=max(request.shots),
        trials=request.trials,
        goals=request.goals,
    )
    for control in request.controls:
        check_control(control, suite, found)
    return found


def check_playable(suite: Suite, request: AdaptRequest, supports: Supports) -> None:
    """Refuses what ``compare_methods`` would, before policies are trained for it.

    Raises:
        InputError: If a task is unknown or not held out, there are fewer trials than
            requested, or demonstrations are given and too few.
    """
    if supports.data is not None:
        problems_for(suite, request, Demonstrations(supports.data).succeeded())
        return
    tasks = problem_tasks(suite, request.tasks)
    check_trials(suite, tasks, trials=request.trials)
