"""The benchmark of a suite: tasks to adapt to, with visible or with hidden goals.

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

from robomtl.errors import InputError
from robomtl.task import GoalSuite, Suite, Task, find_task

Kind = Literal["transfer", "infer"]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The tasks of a suite to adapt to, and whether they hide their goals."""

    suite: Suite
    """Suite of the tasks."""
    tasks: tuple[Task, ...]
    """Tasks to adapt to."""
    hiding: GoalSuite | None
    """The suite if it hides its goals, which it numbers; None if goals are visible."""

    @property
    def split(self) -> str:
        """The split that supports are collected from.

        If goals are hidden, it is the split of the trials, since supports share their goals.
        """
        return "train" if self.hiding is None else "fresh"


def kind_of(suite: Suite) -> Kind:
    """The kind of a suite's benchmark: ``infer`` if it hides its goals."""
    known = isinstance(suite, GoalSuite) or hasattr(suite, "expert_suite")
    return "infer" if known and suite.goal is None else "transfer"


def benchmark_of(suite: Suite, names: Sequence[str] | None) -> Benchmark:
    """The benchmark of a suite, whose tasks to adapt to are the held-out ones.

    If goals are hidden and no task is held out: the training tasks, whose goals in the split
    ``fresh`` are new.

    Args:
        suite: Suite of the tasks.
        names: Names of the tasks to use; None for all.

    Raises:
        InputError: If the suite holds out no task, ``names`` is empty, a named task is
            unknown or not held out, or the suite hides its goals without numbering them, or
            with one start per goal.
    """
    kind, known = kind_of(suite), suite.held_out_tasks
    if kind == "infer" and not known:
        known = suite.train_tasks
    if not known:
        raise InputError(
            f"{suite.name} has no held-out task to adapt to; give a suite that has, such"
            " as metaworld/ML10, or hold out tasks: --held-out-tasks of metaworld/custom,"
            " held_out of from_gymnasium."
        )
    tasks = known if names is None else _chosen(suite, known, names)
    hiding = _numbered(suite, tasks[0].name) if kind == "infer" else None
    return Benchmark(suite=suite, tasks=tasks, hiding=hiding)


def _chosen(
    suite: Suite, known: Sequence[Task], names: Sequence[str]
) -> tuple[Task, ...]:
    if not names:
        raise InputError("No task was named; name at least 1.")
    chosen = tuple(find_task(suite, name) for name in names)
    trained = [task.name for task in chosen if task not in known]
    if trained:
        raise InputError(
            f"{', '.join(trained)} was trained on; adapt to held-out tasks:"
            f" {', '.join(task.name for task in known)}."
        )
    return chosen


def _numbered(suite: Suite, task: str) -> GoalSuite:
    """The suite with hidden goals, checked to number them."""
    if not isinstance(suite, GoalSuite):
        raise InputError(
            f"{suite.name} hides its goals and does not define which variations share a"
            " goal; give a suite that does, or a suite with visible goals."
        )
    if len(suite.variations_of_goal(task, suite.goal_numbers(task, "fresh")[0])) < 2:
        raise InputError(
            f"{suite.name} hides its goals and has only one start per goal, so that"
            " replaying the demonstration solves it; give starts='varied'"
            " (--starts varied)."
        )
    return suite
