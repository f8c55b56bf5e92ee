"""The problems of a comparison of methods, and the demonstrations for their supports."""

from dataclasses import dataclass
from pathlib import Path

from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import OtherRequestError
from robomtl.execution.compute import Compute
from robomtl.experiments.adapt.adaptation_problems import Problem, problems, whole_tasks
from robomtl.experiments.adapt.benchmark import Benchmark, benchmark_of
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
    benchmark: Benchmark,
    request: AdaptRequest,
    folder: Path,
    supports: Supports,
    compute: Compute,
) -> Demonstrations:
    """The demonstrations that supports are drawn from, collected if not given.

    Args:
        benchmark: Tasks to adapt to, and their suite, with experts.
        request: Request with the numbers of shots.
        folder: Folder of the comparison, to which demonstrations are collected.
        supports: Given demonstrations, or the noise of the collection.
        compute: Processes that collect.

    Raises:
        InputError: If the folder's demonstrations were collected for other shots, tasks or
            noise.
    """
    if supports.data is not None:
        return Demonstrations(supports.data).succeeded()
    names, split, each = [task.name for task in benchmark.tasks], benchmark.split, 1
    if benchmark.hiding:  # Successive variations cycle through the goals.
        each = len(benchmark.hiding.goal_numbers(names[0], split))
    config = CollectionConfig(
        tasks=names,
        split=split,
        episodes=_SPARE * max(request.shots) * each,
        noise=supports.noise,
    )
    try:
        suite = benchmark.suite
        return collect(suite, folder / POOL, config=config, compute=compute)
    except OtherRequestError as error:
        raise error.followed_by(
            "Demonstrations are collected for the first --shots, --tasks and --noise of a"
            " folder; with given demonstrations (--data), shots and tasks may change."
        ) from error


def problems_for(
    benchmark: Benchmark, request: AdaptRequest, pool: Demonstrations
) -> tuple[Problem, ...]:
    """The problems that methods adapt to.

    Raises:
        InputError: If the pool is too small, or a control does not apply to the suite.
    """
    posed = problems(
        benchmark,
        pool,
        shots=max(request.shots),
        trials=request.trials,
        goals=request.goals,
    )
    for control in request.controls:
        check_control(control, posed)
    return posed


def check_playable(suite: Suite, request: AdaptRequest, supports: Supports) -> None:
    """Refuses requests that ``compare_methods`` would refuse, before policies are trained.

    Raises:
        InputError: If the suite has no such benchmark, see ``benchmark_of``, or fewer
            variations than trials, or given demonstrations are too few.
    """
    benchmark = benchmark_of(suite, request.tasks)
    if supports.data is not None:
        problems_for(benchmark, request, Demonstrations(supports.data).succeeded())
    elif benchmark.hiding is None:  # Trials of hidden goals depend on demonstrations.
        whole_tasks(benchmark, request.trials)
