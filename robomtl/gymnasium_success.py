"""Success criteria for Gymnasium envs that do not report success in their info."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from robomtl.errors import InputError
from robomtl.ranges import check_types, settings
from robomtl.returned_values import kind_of

GOAL = "desired_goal"
ACHIEVED = "achieved_goal"


class Outcome(NamedTuple):
    """Values that a Gymnasium env returned, passed to a function that decides success."""

    observation: Any
    """Observation as the env returned it."""
    reward: float
    """Reward of the step; 0 at reset."""
    terminated: bool
    """Whether the env terminated the episode; False at reset."""
    info: Mapping[str, Any]
    """Info as the env returned it."""
    step: int = 0
    """Number of the step in its episode; 0 at reset."""


Success = str | Callable[[Outcome], bool]
"""Key of info, or a function of an ``Outcome``."""


@settings
@dataclass(frozen=True)
class GoalDistance:
    """Success within a distance of the goal, for goal-conditioned Dict observations."""

    tolerance: float
    """Largest Euclidean distance between ``achieved_goal`` and ``desired_goal``."""

    def __post_init__(self) -> None:
        """Checks the tolerance.

        Raises:
            InputError: If it is not a positive number.
        """
        check_types(self)
        if not self.tolerance > 0:
            raise InputError(f"tolerance is {self.tolerance}; give a distance above 0.")

    def __call__(self, outcome: Outcome) -> bool:
        """Whether the achieved goal is within the tolerance of the desired goal.

        Raises:
            InputError: If the observation lacks one of the goals, or their shapes differ.
            FloatingPointError: If the goals are not finite.
        """
        seen = outcome.observation
        if not isinstance(seen, Mapping) or not {GOAL, ACHIEVED} <= seen.keys():
            raise InputError(
                f"GoalDistance needs observations with '{ACHIEVED}' and '{GOAL}'; give"
                " success as a key of info or a function of an Outcome."
            )
        shapes = np.shape(seen[ACHIEVED]), np.shape(seen[GOAL])
        if shapes[0] != shapes[1] or isinstance(seen[GOAL], Mapping):
            raise InputError(
                f"GoalDistance needs '{ACHIEVED}' and '{GOAL}' of one shape; they are"
                f" {kind_of(seen[ACHIEVED])} and {kind_of(seen[GOAL])}. Give success as a"
                " key of info or a function of an Outcome."
            )
        apart = np.subtract(seen[ACHIEVED], seen[GOAL], dtype=np.float64)
        if not np.isfinite(apart).all():
            raise FloatingPointError("its goal, or the goal it achieved, is not finite")
        return bool(np.linalg.norm(apart) <= self.tolerance)


@settings
@dataclass(frozen=True)
class RewardAtLeast:
    """Success at each step whose reward reaches a threshold."""

    threshold: float
    """Smallest reward of a successful step."""

    def __post_init__(self) -> None:
        """Checks the threshold.

        Raises:
            InputError: If it is not a number.
        """
        check_types(self)
        if self.threshold != self.threshold:
            raise InputError("threshold is nan; give a number.")

    def __call__(self, outcome: Outcome) -> bool:
        """Whether the reward reaches the threshold; False at reset.

        Raises:
            FloatingPointError: If the reward is nan.
        """
        if np.isnan(outcome.reward):
            raise FloatingPointError("its reward is nan")
        return outcome.step > 0 and outcome.reward >= self.threshold
