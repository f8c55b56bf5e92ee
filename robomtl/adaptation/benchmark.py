"""What methods are to learn, and the demonstrations they may learn it from.

There are two benchmarks, never mixed:

- ``transfer``, where states show the goal: a problem is a task that training never saw.
- ``infer``, where the goal is hidden: a problem is a goal of a task, which only the
  support shows. Support and trials share the goal and nothing else of the start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import numpy as np

from robomtl.adaptation.support import Support, draw_support
from robomtl.demonstrations import Demonstrations
from robomtl.task import Suite, Task, find_task

Benchmark = Literal["transfer", "infer"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A task, or one goal of it, and the trials in which it is to be solved."""

    task: str
    """Name of the task."""
    variations: tuple[int, ...]
    """Of the trials; no support has one of them."""
    goal: int | None = None
    """Number of the goal, where goals are hidden."""


class HiddenGoals(Protocol):
    """What a suite that hides goals says of them, besides ``Suite``."""

    def goal_numbers(self, task: str, split: str) -> Sequence[int]:
        """The goals of a split, in order."""
        ...

    def goal_number(self, task: str, variation: int) -> int:
        """The goal of a variation."""
        ...

    def variations_of_goal(self, task: str, goal: int) -> Sequence[int]:
        """The variations that share a goal."""
        ...


def benchmark_of(suite: Suite) -> Benchmark:
    """Which of the two benchmarks a suite is."""
    return "transfer" if suite.goal is not None else "infer"


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
        ValueError: If there are none, or one was trained on with its goal visible.
    """
    known = suite.held_out_tasks
    if benchmark_of(suite) == "infer" and not known:
        known = suite.train_tasks  # Their goals in the split ``fresh`` are new.
    if not known:
        raise ValueError(
            f"{suite.name} holds out no task to adapt to; give a suite that does, such"
            " as metaworld/ML10, or metaworld/custom with --held-out-tasks."
        )
    if names is None:
        return known
    chosen = tuple(find_task(suite, name) for name in names)
    trained = [task.name for task in chosen if task not in known]
    if trained:
        raise ValueError(
            f"{', '.join(trained)} was trained on; adapt to tasks held out:"
            f" {', '.join(task.name for task in known)}."
        )
    return chosen


def problems(
    suite: Suite, tasks: Sequence[Task], *, trials: int, goals: int
) -> tuple[Problem, ...]:
    """What is to be learned, with its trials, in the split ``fresh``.

    Args:
        suite: Supplies variations.
        tasks: To adapt to.
        trials: Of each task, over all its goals.
        goals: Goals of each task, where they are hidden.

    Raises:
        ValueError: If there are too few variations, or they share no goals.
    """
    if benchmark_of(suite) == "transfer":
        return tuple(
            Problem(task=task.name, variations=_fresh(suite, task.name, trials))
            for task in tasks
        )
    hidden = hidden_goals(suite)
    if trials % goals:
        raise ValueError(
            f"{trials} trials are not the same number for each of {goals} goals; give a"
            f" multiple of {goals}."
        )
    return tuple(
        Problem(task=task.name, goal=goal, variations=some)
        for task in tasks
        for goal in _goals(hidden, task.name, goals)
        for some in [_of_goal(hidden, task.name, goal, trials // goals)]
    )


def hidden_goals(suite: Suite) -> HiddenGoals:
    """A suite that hides goals, as one that numbers them.

    Raises:
        ValueError: If it does not.
    """
    if not hasattr(suite, "variations_of_goal"):
        raise ValueError(
            f"{suite.name} hides its goals and does not say which variations share one;"
            " give a suite that does, or one that shows goals."
        )
    return cast(HiddenGoals, suite)


def draw_for(
    pool: Demonstrations, suite: Suite, problem: Problem, *, shots: int, draw: int
) -> Support:
    """The support of a problem; see ``draw_support``."""
    return draw_support(
        _showing(pool, suite, problem), problem.task, shots=shots, draw=draw
    )


def check_pool(
    pool: Demonstrations, suite: Suite, asked: Sequence[Problem], shots: int
) -> None:
    """Makes sure that every problem has demonstrations enough, and no trial is shown.

    Raises:
        ValueError: Naming the problem that lacks them, or the variation in both.
    """
    for problem in asked:
        there = _showing(pool, suite, problem)
        draw_for(pool, suite, problem, shots=shots, draw=0)
        both = {*there.episodes.variation.tolist()} & {*problem.variations}
        if both:
            raise ValueError(
                f"{pool.path} shows variation {min(both)} of '{problem.task}', which is"
                " a trial; collect the support from the split"
                f" '{pool_split(suite)}'."
            )


def _showing(pool: Demonstrations, suite: Suite, problem: Problem) -> Demonstrations:
    """The demonstrations of a problem."""
    there = pool.select(tasks=[problem.task])
    if problem.goal is None:
        return there
    hidden = hidden_goals(suite)
    shown = there.episodes.variation
    number = [hidden.goal_number(problem.task, int(each)) for each in shown]
    return there.take(np.flatnonzero(np.array(number) == problem.goal).tolist())


def _fresh(suite: Suite, task: str, trials: int) -> tuple[int, ...]:
    there = suite.variations(task, "fresh")
    return _enough(there[:trials], trials, task)


def _goals(hidden: HiddenGoals, task: str, goals: int) -> tuple[int, ...]:
    return _enough(hidden.goal_numbers(task, "fresh")[:goals], goals, task)


def _of_goal(hidden: HiddenGoals, task: str, goal: int, trials: int) -> tuple[int, ...]:
    """Variations from the middle on: supports are collected from the first on."""
    there = hidden.variations_of_goal(task, goal)
    half = len(there) // 2
    return _enough(there[half : half + trials], trials, task)


def _enough(found: Sequence[int], asked: int, task: str) -> tuple[int, ...]:
    if len(found) < asked:
        raise ValueError(
            f"'fresh' has {len(found)} variations of '{task}', fewer than the {asked}"
            f" asked for; ask for at most {len(found)}."
        )
    return tuple(found)
