"""Corrupted-support controls: does a method use its support?

A method with equal success from a wrong support does not use the support.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robomtl.adaptation.support import Support
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.experiments.adapt.adaptation_problems import Problem, draw_for
from robomtl.experiments.adapt.method_design import Control
from robomtl.task import Suite, find_task


def check_control(control: Control, problems: Sequence[Problem]) -> None:
    """Refuses a control that does not apply to a benchmark.

    Raises:
        InputError: If ``wrong_task`` has fewer than 2 tasks, or ``wrong_variation`` has
            visible goals or fewer than 2.
    """
    if control == "wrong_task" and len({problem.task for problem in problems}) < 2:
        raise InputError(
            "The control wrong_task needs at least 2 tasks to adapt to, to show one in"
            " place of the other; leave it out."
        )
    if control != "wrong_variation":
        return
    if any(problem.goal is None for problem in problems):
        raise InputError(
            "The control wrong_variation is for hidden goals: with visible goals, every"
            " support has other variations; leave it out, or use wrong_task."
        )
    if len({problem.goal for problem in problems}) < 2:
        raise InputError(
            "The control wrong_variation needs at least 2 goals per task; request more"
            " goals."
        )


@dataclass(frozen=True, kw_only=True)
class SupportPool:
    """The demonstrations that the supports of some problems are drawn from."""

    demonstrations: Demonstrations
    suite: Suite
    problems: Sequence[Problem]
    """All problems; ``wrong_task`` and ``wrong_variation`` show another of them."""


def support_under(
    control: Control, pool: SupportPool, problem: Problem, *, shots: int, draw: int
) -> Support:
    """The support of a problem under a control.

    Args:
        control: Corruption of the support.
        pool: Demonstrations to draw from.
        problem: Task or goal to adapt to.
        shots: Number of demonstrations.
        draw: Index of the draw.
    """
    suite = pool.suite
    if control in ("wrong_task", "wrong_variation"):
        other = _other(control, problem, pool.problems)
        shown = draw_for(
            pool.demonstrations, suite, other, shots=shots, draw=draw
        ).demonstrations
        instruction = find_task(suite, problem.task).instruction
        return Support(demonstrations=shown.renamed(problem.task, instruction))
    support = draw_for(pool.demonstrations, suite, problem, shots=shots, draw=draw)
    if control == "shuffled_actions":
        given = support.demonstrations
        order = np.random.default_rng(draw).permutation(len(given.action))
        return Support(demonstrations=given.acting(given.action[order]))
    return support


def _other(control: Control, problem: Problem, problems: Sequence[Problem]) -> Problem:
    """The next problem of another task, or of another goal of the same task."""
    index = problems.index(problem)
    following = [*problems[index + 1 :], *problems[:index]]
    if control == "wrong_task":
        return next(each for each in following if each.task != problem.task)
    same = (each for each in following if each.task == problem.task)
    return next(each for each in same if each.goal != problem.goal)
