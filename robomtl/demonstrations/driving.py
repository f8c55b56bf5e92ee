"""Who acts in recorded episodes, and whose actions are recorded as labels.

1. The expert acts, and is recorded: demonstrations.
2. A policy acts, and the expert labels the states that it visits (DAgger, Ross et al. 2011,
   arXiv:1011.0686, Algorithm 3.1, with β = 0 after the demonstrations). All episodes are
   kept, solved or not.
3. A policy acts, and is recorded; solved episodes alone are kept (self-imitation of
   successes, as RoboCat improves itself: Bousmalis et al. 2023, arXiv:2306.11706).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from robomtl.acting.actor import Agent, KeptActor, TaskInfo
from robomtl.errors import InputError
from robomtl.ranges import check_types, settings
from robomtl.returned_values import action_array, finite
from robomtl.task import Action, Expert, Observation, Suite, Trial, find_task

Labels = Literal["expert", "policy"]
"""Whose actions are recorded where a policy acts."""


@settings
@dataclass(frozen=True, kw_only=True)
class Rollouts:
    """Episodes in which a policy acts."""

    agent: Agent
    """Acts."""
    labels: Labels = "expert"
    """Whose actions are recorded: the expert's, of every episode, or the policy's own, of
    solved episodes alone."""

    def __post_init__(self) -> None:
        """Checks the types.

        Raises:
            InputError: If a value is of another type.
        """
        check_types(self)


class Choice(NamedTuple):
    """The action of a step, and its label."""

    acted: Action
    """The action to execute, but for its disturbance; (action,)."""
    label: Action
    """The action that is recorded; (action,)."""


Choose = Callable[[Observation, Observation, int], Choice]
"""Chooses for what the expert observes, what a policy observes of it, and the step."""


class Driver:
    """Chooses the actions and labels of episodes, in a worker process.

    Args:
        suite: Supplies the tasks.
        rollouts: The policy that acts; None where the experts do.
    """

    def __init__(self, suite: Suite, rollouts: Rollouts | None) -> None:
        self._suite, self._rollouts = suite, rollouts
        self._actor = KeptActor(rollouts.agent, suite) if rollouts else None

    @property
    def labelled_by_expert(self) -> bool:
        """Whether the actions of the expert are recorded."""
        return self._rollouts is None or self._rollouts.labels == "expert"

    @property
    def keeps_failures(self) -> bool:
        """Whether episodes that were never successful are kept."""
        return self._rollouts is not None and self.labelled_by_expert

    def begin(
        self, task: str, variation: int, size: tuple[int, ...], expert: Expert | None
    ) -> Choose:
        """The function that chooses the actions of an episode.

        Args:
            task: Name of the task.
            variation: Its variation.
            size: Shape of an action.
            expert: Demonstrates the task; None where its actions are not recorded.
        """
        where = f"{task}, variation {variation}"

        def demonstrated(observation: Observation, step: int) -> Action:
            assert expert is not None
            here = f"{where}, step {step}"
            given = action_array(expert(observation), size, "the expert", here)
            return _checked("the expert's action", given, here)

        if self._actor is None:
            return lambda seen, _, step: Choice(*[demonstrated(seen, step)] * 2)
        actor, instruction = self._actor.get(), find_task(self._suite, task).instruction
        trial = Trial(self._suite.name, task, variation)
        actor.start([trial], [TaskInfo(task, instruction)])

        def chosen(seen: Observation, shown: Observation, step: int) -> Choice:
            here = f"{where}, step {step}"
            given = actor([shown], np.ones(1, np.bool_))[0]
            acted = action_array(given, size, "the policy", here)
            acted = _checked("the policy's action", acted, here)
            return Choice(acted, demonstrated(seen, step) if expert else acted)

        return chosen


def _checked(what: str, action: Action, where: str) -> Action:
    """The action, clipped to [-1, 1].

    Raises:
        InputError: If it is not finite.
    """
    action = np.clip(action, -1, 1)
    if not finite(action):
        wrong = np.flatnonzero(~np.isfinite(action)).tolist()
        raise InputError(f"{where}: {what} is not finite in components {wrong}.")
    return action
