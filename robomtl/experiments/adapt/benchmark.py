"""The problems that methods adapt to, and the supports of each.

There are two benchmarks, never mixed:

- ``transfer``, where states show all there is to know: a problem is a task that training
  never saw.
- ``infer``, where the goal is hidden: a problem is a goal of a task, which only the
  support shows. Support and trials share the goal and nothing else of the start.

A suite hides goals if it shows none, though it numbers them (``GoalSuite``) or shows them to
its experts (``expert_suite``). One that knows of no goal, as a Gymnasium env without
``desired_goal``, hides none.
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
    """A task, or one goal of it, and the trials in which it is to be solved."""

    task: str
    """Name of the task."""
    variations: tuple[int, ...]
    """Variations of the trials; no support has one of them."""
    goal: int | None = None
    """Number of the goal, where goals are hidden."""


def benchmark_of(suite: Suite) -> Benchmark:
    """Which of the two benchmarks a suite is."""
    known = isinstance(suite, GoalSuite) or hasattr(suite, "expert_suite")
    return "infer" if known and suite.goal is None else "transfer"


def pool_split(suite: Suite) -> str:
    """The split that supports are collected from.

    Under hidden goals it is that of the trials, whose goals supports share.
    """
    return "train" if benchmark_of(suite) == "transfer" else "fresh"


def problem_tasks(suite: Suite, names: Sequence[str] | None) -> tuple[Task, ...]:
    """The tasks to adapt to: those held out; or all, where goals are hidden in one.

    Args:
        suite: Supplies them.
        names: Those of them to take; None for all.

    Raises:
        InputError: If there are none, or one was trained on with its goal visible.
    """
    known = suite.held_out_tasks
    if benchmark_of(suite) == "infer" and not known:
        known = suite.train_tasks  # Their goals in the split ``fresh`` are new.
    if not known:
        raise InputError(
            f"{suite.name} holds out no task to adapt to; give a suite that does, such"
            " as metaworld/ML10, or metaworld/custom with --held-out-tasks."
        )
    if names is None:
        return known
    chosen = tuple(find_task(suite, name) for name in names)
    trained = [task.name for task in chosen if task not in known]
    if trained:
        raise InputError(
            f"{', '.join(trained)} was trained on; adapt to tasks held out:"
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

    Where goals are hidden, those are taken of which there are demonstrations enough: an
    expert may fail at some.

    Args:
        suite: Supplies variations.
        tasks: To adapt to.
        pool: Demonstrations that supports are drawn from.
        shots: Most demonstrations of a support.
        trials: Of each task, over all its goals.
        goals: Goals of each task, where they are hidden.

    Raises:
        ValueError: If there are too few variations, goals or demonstrations, or one of
            these is of a trial.
    """
    if benchmark_of(suite) == "transfer":
        found = [
            Problem(task=task.name, variations=_fresh(suite, task.name, trials))
            for task in tasks
        ]
    else:
        found = [
            problem
            for task in tasks
            for problem in _of_goals(suite, task.name, pool, shots, trials, goals)
        ]
    for problem in found:
        _check(pool, suite, problem, shots)
    return tuple(found)


def check_trials(suite: Suite, tasks: Sequence[Task], *, trials: int) -> None:
    """Refuses more trials than there are variations, before there are demonstrations.

    Where goals are hidden, this follows from the goals that demonstrations show.

    Raises:
        InputError: If a task has fewer.
    """
    if benchmark_of(suite) == "transfer":
        for task in tasks:
            _fresh(suite, task.name, trials)


def goal_suite(suite: Suite) -> GoalSuite:
    """A suite that hides goals, as one that numbers them.

    Raises:
        InputError: If it does not, or starts each goal in one way only.
    """
    if not isinstance(suite, GoalSuite):
        raise InputError(
            f"{suite.name} hides its goals and does not say which variations share one;"
            " give a suite that does, or one that shows goals."
        )
    task = suite.train_tasks[0].name
    if len(suite.variations_of_goal(task, suite.goal_numbers(task, "fresh")[0])) < 2:
        raise InputError(
            f"{suite.name} hides its goals and starts each in one way only, so a"
            " demonstration of a goal is its solution; give starts='varied'"
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
    there = pool.select(tasks=[problem.task])
    if problem.goal is None:
        return there
    shown = _goals_shown(pool, goal_suite(suite), problem.task)
    return there.take(np.flatnonzero(shown == problem.goal).tolist())


def _goals_shown(
    pool: Demonstrations, suite: GoalSuite, task: str
) -> NDArray[np.int64]:
    """The goal of each demonstration of a task; (episode,)."""
    variations = pool.select(tasks=[task]).episodes.variation.tolist()
    return np.array([suite.goal_number(task, each) for each in variations], np.int64)


def _check(pool: Demonstrations, suite: Suite, problem: Problem, shots: int) -> None:
    draw_for(pool, suite, problem, shots=shots, draw=0)  # There are enough.
    there = _showing(pool, suite, problem)
    both = {*there.episodes.variation.tolist()} & {*problem.variations}
    if both:
        raise InputError(
            f"{pool.path} shows variation {min(both)} of '{problem.task}', which is a"
            f" trial; collect the support from the split '{pool_split(suite)}'."
        )


def _fresh(suite: Suite, task: str, trials: int) -> tuple[int, ...]:
    return _enough(suite.variations(task, "fresh"), trials, task)


def _enough(there: Sequence[int], trials: int, task: str) -> tuple[int, ...]:
    """The first variations of some."""
    if len(there) < trials:
        raise InputError(
            f"There are {len(there)} variations of '{task}' to try it in, fewer than the"
            f" {trials} requested trials; request at most {len(there)}."
        )
    return tuple(there[:trials])


def _of_goals(
    suite: Suite,
    task: str,
    pool: Demonstrations,
    shots: int,
    trials: int,
    goals: int,
) -> list[Problem]:
    """The first goals with demonstrations enough.

    Trials begin in the middle of a goal's variations, as demonstrations are collected
    from the first on.
    """
    hiding, each = goal_suite(suite), trials // goals
    if trials % goals:
        raise InputError(
            f"{trials} trials are not the same number for each of {goals} goals; give a"
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
    found = []
    for goal in enough[:goals]:
        there = hiding.variations_of_goal(task, goal)
        half = len(there) // 2
        some = _enough(there[half:], each, task)
        found.append(Problem(task=task, goal=goal, variations=some))
    return found
