"""Pictures of goals in evaluation: what the suite's expert sees when it has succeeded."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.acting.actor import TaskInfo
from robomtl.plug_in import inspected, make_expert
from robomtl.task import Env, Suite, Trial

Pictures = Mapping[str, NDArray[Any]]
"""Images by the name of their feature; uint8, (height, width, 3)."""


class GoalImages:
    """Plays the experts of a suite, each variation once, for what they see at the goal.

    Args:
        suite: Has the tasks and their experts.
        names: Image features that are kept.
    """

    def __init__(self, suite: Suite, names: Sequence[str]) -> None:
        self._suite, self._names = suite, names
        self._seen: dict[tuple[str, int], Pictures] = {}

    def of(
        self, trials: Sequence[Trial], task_infos: Sequence[TaskInfo]
    ) -> list[Pictures | None]:
        """The goal images of trials; None where the task is withheld.

        They are those of the task that the policy is conditioned on, in the variation of
        the trial.

        Args:
            trials: To be played.
            task_infos: What the policy is conditioned on in each.

        Raises:
            ValueError: If a task has no expert.
        """
        wanted = [
            None if info.task is None else (info.task, trial.variation)
            for trial, info in zip(trials, task_infos, strict=True)
        ]
        missing = {key for key in wanted if key is not None} - self._seen.keys()
        for task in sorted({task for task, _ in missing}):
            with inspected(self._suite, task) as env:
                for variation in sorted(v for name, v in missing if name == task):
                    self._seen[task, variation] = self._played(env, task, variation)
        return [None if key is None else self._seen[key] for key in wanted]

    def _played(self, env: Env, task: str, variation: int) -> Pictures:
        """The pictures at the expert's first success, or else at the end."""
        expert = make_expert(self._suite, task)
        observation, info = env.reset(seed=0, options={"variation": variation})
        truncated = False
        while not (truncated or info.get("success")):
            observation, _, _, truncated, info = env.step(expert(observation))
        return {name: np.array(observation[name]) for name in self._names}
