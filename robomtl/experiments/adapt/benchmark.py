"""The problems that methods adapt to, and their supports.

There are two benchmarks, never mixed:

- ``transfer``: goals are visible. A problem is a task never seen in training.
- ``infer``: goals are hidden. A problem is one goal of a task, which only the support shows.
  Support and trials share the goal but not the rest of the start.

A suite hides its goals if its states contain none, but it numbers them (``GoalSuite``) or
shows them to its experts (``expert_suite``). A suite without goals, such as a Gymnasium env
without ``desired_goal``, is a ``transfer`` benchmark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from robomtl.adaptation.support import Support, draw_support
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.task import GoalSuite, Suite, Task, find_task

Benchmark = Literal["transfer", "infer"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A task, or one goal of a task, with its trials."""

    task: str
    """Name of the task."""
    variations: tuple[int, ...]
    """Variations of the trials; supports contain none of them."""
    goal: int | None = None
    """Number of the goal if goals are hidden, else None."""


def benchmark_of(suite: Suite) -> Benchmark:
    """The benchmark of a suite: ``infer`` if it hides its goals, else ``transfer``."""
    known = isinstance(suite, GoalSuite) or hasattr(suite, "expert_suite")
    return "infer" if known and suite.goal is None else "transfer"


def pool_split(suite: Suite) -> str:
    """The split that supports are collected from.

    If goals are hidden, it is the split of the trials, since supports share their goals.
    """
    return "train" if benchmark_of(suite) == "transfer" else "fresh"


def problem_tasks(suite: Suite, names: Sequence[str] | None) -> tuple[Task, ...]:
    """The tasks to adapt to: the held-out tasks.

    If goals are hidden and no task is held out: the training tasks, whose goals in the split
    ``fresh`` are new.

    Args:
        suite: Suite of the tasks.
        names: Names of the tasks to use; None for all.

    Raises:
        InputError: If the suite holds out no task, or a named task is unknown or not held
            out.
    """
    known = suite.held_out_tasks
    if benchmark_of(suite) == "infer" and not known:
        known = suite.train_tasks
    if not known:
        raise InputError(
            f"{suite.name} has no held-out task to adapt to; give a suite that has, such"
            " as metaworld/ML10, or metaworld/custom with --held-out-tasks."
        )
    if names is None:
        return known
    chosen = tuple(find_task(suite, name) for name in names)
    trained = [task.name for task in chosen if task not in known]
    if trained:
        raise InputError(
            f"{', '.join(trained)} was trained on; adapt to held-out tasks:"
            f" {', '.join(task.name for task in known)}."
        )
    return chosen


def problems(
    suite: Suite,
    tasks: Sequence[Task],
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
        suite: Suite of the tasks.
        tasks: Tasks to adapt to.
        pool: Demonstrations that supports are drawn from.
        shots: Largest number of demonstrations of a support.
        trials: Number of trials of each task, over all its goals.
        goals: Number of goals of each task if they are hidden.

    Raises:
        ValueError: If there are too few variations, goals or demonstrations, or a
            demonstration has the variation of a trial.
    """
    if benchmark_of(suite) == "transfer":
        posed = [
            Problem(task=task.name, variations=_fresh(suite, task.name, trials))
            for task in tasks
        ]
    else:
        posed = [
            problem
            for task in tasks
            for problem in _of_goals(suite, task.name, pool, shots, trials, goals)
        ]
    for problem in posed:
        _check(pool, suite, problem, shots)
    return tuple(posed)


def check_trials(suite: Suite, tasks: Sequence[Task], *, trials: int) -> None:
    """Refuses more trials than variations, before demonstrations are collected.

    If goals are hidden, the trials depend on the demonstrations and are not checked here.

    Raises:
        InputError: If a task has fewer variations than trials.
    """
    if benchmark_of(suite) == "transfer":
        for task in tasks:
            _fresh(suite, task.name, trials)


def goal_suite(suite: Suite) -> GoalSuite:
    """The suite with hidden goals, checked to number them.

    Raises:
        InputError: If the suite does not number its goals, or has one start per goal.
    """
    if not isinstance(suite, GoalSuite):
        raise InputError(
            f"{suite.name} hides its goals and does not define which variations share a"
            " goal; give a suite that does, or a suite with visible goals."
        )
    task = suite.train_tasks[0].name
    if len(suite.variations_of_goal(task, suite.goal_numbers(task, "fresh")[0])) < 2:
        raise InputError(
            f"{suite.name} hides its goals and has only one start per goal, so that"
            " replaying the demonstration solves it; give starts='varied'"
            " (--starts varied)."
        )
    return suite


def draw_for(
    pool: Demonstrations, suite: Suite, problem: Problem, *, shots: int, draw: int
) -> Support:
    """The support of a problem; see ``draw_support``."""
    return draw_support(
        _showing(pool, suite, problem), problem.task, shots=shots, draw=draw
    )


def _showing(pool: Demonstrations, suite: Suite, problem: Problem) -> Demonstrations:
    """The demonstrations of a problem."""
    of_task = pool.select(tasks=[problem.task])
    if problem.goal is None:
        return of_task
    shown = _goals_shown(pool, goal_suite(suite), problem.task)
    return of_task.take(np.flatnonzero(shown == problem.goal).tolist())


def _goals_shown(
    pool: Demonstrations, suite: GoalSuite, task: str
) -> NDArray[np.int64]:
    """The goal of each demonstration of a task; (episode,)."""
    variations = pool.select(tasks=[task]).episodes.variation.tolist()
    return np.array([suite.goal_number(task, each) for each in variations], np.int64)


def _check(pool: Demonstrations, suite: Suite, problem: Problem, shots: int) -> None:
    draw_for(pool, suite, problem, shots=shots, draw=0)  # Refuses too few.
    demonstrations = _showing(pool, suite, problem)
    both = {*demonstrations.episodes.variation.tolist()} & {*problem.variations}
    if both:
        raise InputError(
            f"{pool.path} contains variation {min(both)} of '{problem.task}', which is"
            f" used for a trial; collect the support from the split"
            f" '{pool_split(suite)}'."
        )


def _fresh(suite: Suite, task: str, trials: int) -> tuple[int, ...]:
    return _enough(suite.variations(task, "fresh"), trials, task)


def _enough(variations: Sequence[int], trials: int, task: str) -> tuple[int, ...]:
    """The first ``trials`` variations; refuses fewer."""
    if len(variations) < trials:
        raise InputError(
            f"There are {len(variations)} variations of '{task}' for trials, fewer than"
            f" the {trials} requested; request at most {len(variations)}."
        )
    return tuple(variations[:trials])


def _of_goals(
    suite: Suite,
    task: str,
    pool: Demonstrations,
    shots: int,
    trials: int,
    goals: int,
) -> list[Problem]:
    """The problems of the first goals with enough demonstrations.

    Trials use the second half of a goal's variations, since demonstrations are collected
    from the first variation on.
    """
    hiding, each = goal_suite(suite), trials // goals
    if trials % goals:
        raise InputError(
            f"{trials} trials cannot be divided evenly among {goals} goals; give a"
            f" multiple of {goals}."
        )
    shown = _goals_shown(pool, hiding, task).tolist()
    numbers = hiding.goal_numbers(task, "fresh")
    enough = [number for number in numbers if shown.count(number) >= shots]
    if len(enough) < goals:
        raise InputError(
            f"{len(enough)} goals of '{task}' have {shots} demonstrations in"
            f" {pool.path}, fewer than the {goals} requested; collect more, or request"
            " fewer goals or shots."
        )
    posed = []
    for goal in enough[:goals]:
        variations = hiding.variations_of_goal(task, goal)
        half = len(variations) // 2
        tried = _enough(variations[half:], each, task)
        posed.append(Problem(task=task, goal=goal, variations=tried))
    return posed
