"""Check whether the goal vectors of a suite distinguish its tasks.

A policy that is conditioned on the goal vector alone cannot distinguish two tasks whose
goals lie at the same position of the state and whose episodes start in the same way.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from robomtl.plug_in import calling, inspection_env
from robomtl.task import Suite, own_goal_places

States = Mapping[str, NDArray[np.float32]]
"""Initial states of episodes, which contain their goals; (episode, state) by task."""

SAMPLE = 20  # Variations per task; with fewer, equal tasks may differ by chance.
_APART = 0.875  # Fraction of episodes that a threshold must assign to the right task.
_RESOLUTION = 1e-4  # Simulators shift bodies at reset by less than this.


def first_states(
    suite: Suite, tasks: Sequence[str] | None = None, *, count: int = SAMPLE
) -> dict[str, NDArray[np.float32]]:
    """The initial states of the first ``fresh`` variations, from one reset each.

    Args:
        suite: Suite of the tasks.
        tasks: Names of tasks; None for all training tasks.
        count: Number of variations of each task.
    """
    names = [task.name for task in suite.train_tasks] if tasks is None else tasks
    return {name: np.stack([*_starts(suite, name, count)]) for name in names}


def indistinguishable_tasks(
    suite: Suite,
    tasks: Sequence[str] | None = None,
    *,
    states: States | None = None,
) -> tuple[tuple[str, str], ...]:
    """Pairs of tasks that the goal vector does not distinguish; empty if all differ.

    Two tasks differ if their goals have different indices in the state, or if a threshold
    on one component of the initial state, which contains the goal, assigns at least seven
    of eight episodes to the right task.

    Args:
        suite: Suite of the tasks, with visible goals.
        tasks: Names of tasks; None for all training tasks.
        states: Initial states, such as those of demonstrations; None to reset each task
            20 times, see ``first_states``.
    """
    initial_states = first_states(suite, tasks) if states is None else states
    slices = own_goal_places(suite)
    return tuple(
        (first, second)
        for first, second in combinations(initial_states, 2)
        if slices.get(first, suite.goal) == slices.get(second, suite.goal)
        and _separation(initial_states[first], initial_states[second]) < _APART
    )


def warning(suite: str, pairs: Sequence[tuple[str, str]]) -> str:
    """A warning about pairs that ``indistinguishable_tasks`` found; empty for no pairs."""
    if not pairs:
        return ""
    (first, second), more = pairs[0], len(pairs) - 1
    others = f", nor {more} other {'pair' if more == 1 else 'pairs'} of tasks"
    return (
        f"The goals of {suite} do not distinguish '{first}' from '{second}'"
        f"{others if more else ''}: a policy that is conditioned on the goal alone cannot"
        " know its task. Add language or one_hot to its conditioning."
    )


def goal_warning(
    conditioning: Sequence[str], suite: Suite, tasks: Sequence[str] | None = None
) -> str:
    """The ``warning`` for a policy in a suite; empty unless goals are its only conditioning.

    Args:
        conditioning: Kinds of conditioning of the policy.
        suite: Suite of the tasks.
        tasks: Names of tasks; None for all training tasks.
    """
    if tuple(conditioning) != ("goal",) or suite.goal is None:
        return ""
    return warning(suite.name, indistinguishable_tasks(suite, tasks))


def _starts(suite: Suite, task: str, count: int) -> Iterator[NDArray[np.float32]]:
    with inspection_env(suite, task) as env:
        for variation in suite.variations(task, "fresh")[:count]:
            with calling(f"'{task}' of {suite.name} cannot be reset"):
                observation, _ = env.reset(seed=0, options={"variation": variation})
            yield observation["state"].copy()


def _separation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Fraction of states that the best threshold assigns to the right task, 0.5 to 1.

    It equals 0.5 plus half the largest Kolmogorov-Smirnov distance of a component.
    """
    both = np.round(np.concatenate([first, second]).astype(np.float64) / _RESOLUTION)
    return max(
        _of_component(values[: len(first)], values[len(first) :]) for values in both.T
    )


def _of_component(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    thresholds = np.concatenate([first, second])
    below = [
        np.searchsorted(np.sort(values), thresholds, side="right") / len(values)
        for values in (first, second)
    ]
    return 0.5 + 0.5 * float(np.abs(below[0] - below[1]).max())
