"""The problems that methods adapt to, with their trials, and their supports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from robomtl.adaptation.support import Support, draw_support
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.experiments.adapt.benchmark import Benchmark
from robomtl.task import GoalSuite, Suite


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A task, or one goal of a task, with its trials."""

    task: str
    """Name of the task."""
    variations: tuple[int, ...]
    """Variations of the trials; supports contain none of them."""
    goal: int | None = None
    """Number of the goal if goals are hidden, else None."""


def problems(
    benchmark: Benchmark,
    pool: Demonstrations,
    *,
    shots: int,
    trials: int,
    goals: int,
) -> tuple[Problem, ...]:
    """The problems to adapt to, with their trials in the split ``fresh``.

    If goals are hidden, the first goals with enough demonstrations are used, since experts
    may fail on some.

    Args:
        benchmark: Suite, and tasks to adapt to.
        pool: Demonstrations that supports are drawn from.
        shots: Largest number of demonstrations of a support.
        trials: Number of trials of each task, over all its goals.
        goals: Number of goals of each task if they are hidden.

    Raises:
        ValueError: If there are too few variations, goals or demonstrations, or a
            demonstration has the variation of a trial.
    """
    if benchmark.hiding is None:
        posed = whole_tasks(benchmark, trials)
    else:
        hiding = benchmark.hiding
        posed = tuple(
            problem
            for task in benchmark.tasks
            for problem in _of_goals(hiding, task.name, pool, shots, trials, goals)
        )
    for problem in posed:
        _check(pool, benchmark, problem, shots)
    return posed


def whole_tasks(benchmark: Benchmark, trials: int) -> tuple[Problem, ...]:
    """The problems of visible goals: the tasks.

    Args:
        benchmark: Suite, and tasks to adapt to.
        trials: Number of trials of each task.

    Raises:
        InputError: If a task has fewer variations than trials.
    """
    suite = benchmark.suite
    return tuple(
        Problem(
            task=task.name,
            variations=_enough(suite.variations(task.name, "fresh"), trials, task.name),
        )
        for task in benchmark.tasks
    )


def draw_for(
    pool: Demonstrations, suite: Suite, problem: Problem, *, shots: int, draw: int
) -> Support:
    """The support of a problem; see ``draw_support``."""
    shown = _showing(pool, suite, problem)
    return draw_support(shown, problem.task, shots=shots, draw=draw)


def _check(
    pool: Demonstrations, benchmark: Benchmark, problem: Problem, shots: int
) -> None:
    shown = _showing(pool, benchmark.suite, problem)
    draw_support(shown, problem.task, shots=shots, draw=0)  # Refuses too few.
    both = {*shown.episodes.variation.tolist()} & {*problem.variations}
    if both:
        raise InputError(
            f"{pool.path} contains variation {min(both)} of '{problem.task}', which is"
            f" used for a trial; collect the support from the split"
            f" '{benchmark.split}'."
        )


def _showing(pool: Demonstrations, suite: Suite, problem: Problem) -> Demonstrations:
    """The demonstrations of a problem."""
    of_task = pool.select(tasks=[problem.task])
    if problem.goal is None:
        return of_task
    assert isinstance(suite, GoalSuite)
    shown = np.array(_goals_shown(of_task, suite, problem.task), np.int64)
    return of_task.take(np.flatnonzero(shown == problem.goal).tolist())


def _goals_shown(of_task: Demonstrations, suite: GoalSuite, task: str) -> list[int]:
    """The goal of each demonstration of a task."""
    variations = of_task.episodes.variation.tolist()
    return [suite.goal_number(task, each) for each in variations]


def _enough(variations: Sequence[int], trials: int, task: str) -> tuple[int, ...]:
    """The first ``trials`` variations; refuses fewer."""
    if len(variations) < trials:
        raise InputError(
            f"There are {len(variations)} variations of '{task}' for trials, fewer than"
            f" the {trials} requested; request at most {len(variations)}."
        )
    return tuple(variations[:trials])


def _of_goals(
    suite: GoalSuite,
    task: str,
    pool: Demonstrations,
    shots: int,
    trials: int,
    goals: int,
) -> Iterator[Problem]:
    """The problems of the first goals with enough demonstrations.

    Trials use the second half of a goal's variations, since demonstrations are collected
    from the first variation on.
    """
    if trials % goals:
        raise InputError(
            f"{trials} trials cannot be divided evenly among {goals} goals; give a"
            f" multiple of {goals}."
        )
    shown = _goals_shown(pool.select(tasks=[task]), suite, task)
    numbers = suite.goal_numbers(task, "fresh")
    enough = [number for number in numbers if shown.count(number) >= shots]
    if len(enough) < goals:
        raise InputError(
            f"{len(enough)} goals of '{task}' have {shots} demonstrations in"
            f" {pool.path}, fewer than the {goals} requested; collect more, or request"
            " fewer goals or shots."
        )
    for goal in enough[:goals]:
        variations = suite.variations_of_goal(task, goal)
        half = len(variations) // 2
        tried = _enough(variations[half:], trials // goals, task)
        yield Problem(task=task, goal=goal, variations=tried)
