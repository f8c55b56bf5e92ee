"""Experts from Meta-World's scripted policies."""

import warnings
from typing import Any

import numpy as np

from robomtl.task import Action, Observation


class MetaWorldExpert:
    """Scripted policy of a task, with actions clipped to [-1, 1].

    Args:
        task: Name of the task.
    """

    def __init__(self, task: str) -> None:
        from metaworld.policies import ENV_POLICY_MAP

        policies: dict[str, Any] = ENV_POLICY_MAP
        self._policy = policies[task]()

    def __call__(self, observation: Observation) -> Action:
        """Scripted action for a state that shows the goal; (4,)."""
        state = observation["state"].astype(np.float64)
        with warnings.catch_warnings():
            # Most actions of scripted policies exceed [-1, 1], with a warning.
            warnings.filterwarnings("ignore", "Constant", module="metaworld.policies")
            action = self._policy.get_action(state)
        clipped: Action = np.clip(action, -1, 1).astype(np.float32)
        return clipped
