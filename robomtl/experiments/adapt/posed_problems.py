"""The problems of a comparison of methods, and the demonstrations for their supports."""

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
_SPARE = 2  # Demonstrations collected per problem, as a multiple of the most shots.


@dataclass(frozen=True, kw_only=True)
class Supports:
    """Demonstrations that methods may use."""

    data: Path | str | None = None
    """Demonstrations of the tasks to adapt to; collected if None."""
    prior: Path | str | None = None
    """Demonstrations that the policies were trained on, for methods that reuse them; those
    in the family's folder if None."""
    noise: float = 0.0
    """Largest noise on the experts' actions in collected supports; see ``collect``."""


def pool_for(
    suite: Suite,
    request: AdaptRequest,
    folder: Path,
    supports: Supports,
    compute: Compute,
) -> Demonstrations:
    """The demonstrations that supports are drawn from, collected if not given.

    Args:
        suite: Suite of the tasks, with experts.
        request: Request with the tasks and numbers of shots.
        folder: Folder of the comparison, to which demonstrations are collected.
        supports: Given demonstrations, or the noise of the collection.
        compute: Processes that collect.

    Raises:
        InputError: If the folder's demonstrations were collected for other shots, tasks or
            noise.
    """
    if supports.data is not None:
        return Demonstrations(supports.data).succeeded()
    names = [task.name for task in problem_tasks(suite, request.tasks)]
    split = pool_split(suite)
    each = 1
    if benchmark_of(suite) == "infer":  # Successive variations cycle through the goals.
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
            " folder; with given demonstrations (--data), shots and tasks may change."
        ) from error


def problems_for(
    suite: Suite, request: AdaptRequest, pool: Demonstrations
) -> tuple[Problem, ...]:
    """The problems that methods adapt to.

    Raises:
        InputError: If the pool is too small, or a control does not apply to the suite.
    """
    posed = problems(
        suite,
        problem_tasks(suite, request.tasks),
        pool,
        shots=max(request.shots),
        trials=request.trials,
        goals=request.goals,
    )
    for control in request.controls:
        check_control(control, suite, posed)
    return posed


def check_playable(suite: Suite, request: AdaptRequest, supports: Supports) -> None:
    """Refuses requests that ``compare_methods`` would refuse, before policies are trained.

    Raises:
        InputError: If a task is unknown or not held out, the suite has fewer variations
            than trials, or given demonstrations are too few.
    """
    if supports.data is not None:
        problems_for(suite, request, Demonstrations(supports.data).succeeded())
        return
    tasks = problem_tasks(suite, request.tasks)
    check_trials(suite, tasks, trials=request.trials)
