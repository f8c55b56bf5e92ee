"""When an episode of a Gymnasium env has succeeded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from robomtl.errors import InputError
from robomtl.ranges import check_types, settings

GOAL = "desired_goal"
ACHIEVED = "achieved_goal"


class Outcome(NamedTuple):
    """The values that a Gymnasium env returned, for a function that decides on success."""

    observation: Any
    """As the env returned it."""
    reward: float
    """0 at reset."""
    terminated: bool
    """False at reset."""
    info: Mapping[str, Any]
    """As the env returned it."""
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
            InputError: If it is no positive number.
        """
        check_types(self)
        if not self.tolerance > 0:
            raise InputError(f"tolerance is {self.tolerance}; give a distance above 0.")

    def __call__(self, outcome: Outcome) -> bool:
        """Whether the achieved goal is near enough.

        Raises:
            InputError: If the observation has no goals.
            FloatingPointError: If they are not finite.
        """
        seen = outcome.observation
        if not isinstance(seen, Mapping) or not {GOAL, ACHIEVED} <= seen.keys():
            raise InputError(
                f"GoalDistance needs observations with '{ACHIEVED}' and '{GOAL}'; give"
                " success as a key of info or a function of an Outcome."
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
    """Least reward of a successful step."""

    def __post_init__(self) -> None:
        """Checks the threshold.

        Raises:
            InputError: If it is no number.
        """
        check_types(self)
        if self.threshold != self.threshold:
            raise InputError("threshold is nan; give a number.")

    def __call__(self, outcome: Outcome) -> bool:
        """Whether the reward is high enough; never at reset, which has none.

        Raises:
            FloatingPointError: If the reward is nan.
        """
        if np.isnan(outcome.reward):
            raise FloatingPointError("its reward is nan")
        return outcome.step > 0 and outcome.reward >= self.threshold
