"""Chooses the executed and the recorded action of each step of a collected episode.

1. The expert acts, and its actions are recorded: demonstrations.
2. A policy acts, and the expert labels the states that it visits (DAgger, Ross et al. 2011,
   arXiv:1011.0686, Algorithm 3.1, with β = 0 after the demonstrations). All episodes are
   kept, solved or not.
3. A policy acts, and its actions are recorded; only solved episodes are kept (self-imitation
   of successes, as in RoboCat's self-improvement: Bousmalis et al. 2023, arXiv:2306.11706).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from robomtl.acting.actor import Agent, TaskInfo
from robomtl.errors import InputError
from robomtl.evaluation.kept import KeptActor
from robomtl.ranges import check_types, settings
from robomtl.returned_values import action_array, finite
from robomtl.task import Action, Expert, Observation, Suite, Trial, find_task

Labels = Literal["expert", "policy"]
"""Source of the recorded actions if a policy acts."""


@settings
@dataclass(frozen=True, kw_only=True)
class Rollouts:
    """Settings of episodes in which a policy acts."""

    agent: Agent
    """Policy that acts."""
    labels: Labels = "expert"
    """Source of the recorded actions: the expert, in all episodes, or the policy itself, in
    solved episodes only."""

    def __post_init__(self) -> None:
        """Checks the types.

        Raises:
            InputError: If a value is of another type.
        """
        check_types(self)


class Choice(NamedTuple):
    """The executed and the recorded action of a step."""

    acted: Action
    """Action to execute, before noise is added; (action,)."""
    label: Action
    """Action that is recorded; (action,)."""


Choose = Callable[[Observation, Observation, int], Choice]
"""Chooses an action, given the expert's and the policy's observation, and the step."""


class Driver:
    """Chooses the actions and labels of episodes, in a worker process.

    Args:
        suite: Supplies the tasks.
        rollouts: Policy that acts; None if the experts act.
    """

    def __init__(self, suite: Suite, rollouts: Rollouts | None) -> None:
        self._suite, self._rollouts = suite, rollouts
        self._actor = KeptActor(rollouts.agent, suite) if rollouts else None

    @property
    def labelled_by_expert(self) -> bool:
        """Whether the expert's actions are recorded."""
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
            variation: Variation of the task.
            size: Shape of an action.
            expert: Expert of the task; None if its actions are not recorded.
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
