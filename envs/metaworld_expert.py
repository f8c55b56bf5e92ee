"""Meta-World's scripted policies as experts."""

import warnings
from typing import Any

import numpy as np

from robomtl.task import Action, Observation


class MetaWorldExpert:
    """The scripted policy of a task, its actions clipped to [-1, 1].

    Args:
        task: Name of the task.
    """

    def __init__(self, task: str) -> None:
        from metaworld.policies import ENV_POLICY_MAP

        policies: dict[str, Any] = ENV_POLICY_MAP
        self._policy = policies[task]()

    def __call__(self, observation: Observation) -> Action:
        """The scripted action, from a state that holds the goal; shape (4,)."""
        state = observation["state"].astype(np.float64)
        with warnings.catch_warnings():
            # Scripted policies warn at most steps that they exceed [-1, 1].
            warnings.filterwarnings("ignore", "Constant", module="metaworld.policies")
            action = self._policy.get_action(state)
        clipped: Action = np.clip(action, -1, 1).astype(np.float32)
        return clipped
