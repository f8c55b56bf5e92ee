"""Goal images in evaluation: observations of the suite's expert at its success."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.acting.actor import TaskInfo
from robomtl.plug_in import inspection_env, make_expert
from robomtl.task import Env, Suite, Trial

Pictures = Mapping[str, NDArray[Any]]
"""Images by name of the feature; uint8, (height, width, 3)."""


class GoalImages:
    """Goal images of variations, from one episode of the expert for each.

    Args:
        suite: Suite of the tasks and their experts.
        names: Names of the image features to return.
    """

    def __init__(self, suite: Suite, names: Sequence[str]) -> None:
        self._suite, self._names = suite, names
        self._cache: dict[tuple[str, int], Pictures] = {}

    def of(
        self, trials: Sequence[Trial], task_infos: Sequence[TaskInfo]
    ) -> list[Pictures | None]:
        """Goal images of each trial; None if its task is withheld.

        The expert plays the task that the policy is conditioned on, in the variation of
        the trial.

        Args:
            trials: Trials to play.
            task_infos: Conditioning of the policy in each trial.

        Raises:
            ValueError: If a task has no expert.
        """
        keys = [
            None if info.task is None else (info.task, trial.variation)
            for trial, info in zip(trials, task_infos, strict=True)
        ]
        missing = {key for key in keys if key is not None} - self._cache.keys()
        for task in sorted({task for task, _ in missing}):
            with inspection_env(self._suite, task) as env:
                for variation in sorted(v for name, v in missing if name == task):
                    self._cache[task, variation] = self._success_images(
                        env, task, variation
                    )
        return [None if key is None else self._cache[key] for key in keys]

    def _success_images(self, env: Env, task: str, variation: int) -> Pictures:
        """Images at the expert's first success, or at the end if it never succeeds."""
        expert = make_expert(self._suite, task)
        observation, info = env.reset(seed=0, options={"variation": variation})
        truncated = False
        while not (truncated or info.get("success")):
            observation, _, _, truncated, info = env.step(expert(observation))
        return {name: np.array(observation[name]) for name in self._names}
