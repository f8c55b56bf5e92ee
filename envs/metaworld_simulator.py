"""What drives a simulated Meta-World task: begin an episode, take a step."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Outcome(NamedTuple):
    """What a step of a simulator gives."""

    state: Vector
    """Observation with the goal in its last 3 numbers; (39,). Valid until the next step."""
    reward: float
    """Meta-World's shaped reward, from 0 to 10; NaN where it was not requested."""
    success: bool
    """Whether the task is done at this step."""


class Simulator(Protocol):
    """One task, simulated; what ``MetaWorldEnv`` drives."""

    @property
    def env(self) -> Any:
        """Meta-World's env inside, for its cameras, model and data."""
        ...

    def begin(self, vector: Vector, hand: Vector | None = None) -> Vector:
        """Places everything, and returns the first state; (39,).

        Args:
            vector: Where Meta-World places objects and goal [m]; (3,) or (6,).
            hand: Where the hand rests within its range of starts, from 0 to 1 along
                each axis, (3,); None for where Meta-World rests it.
        """
        ...

    def hand_at(self, offset: Vector) -> Vector:
        """Where ``begin`` puts a hand that starts elsewhere by this [m]; (3,).

        Args:
            offset: From where Meta-World rests it, along x, y and z; clipped to the range
                of starts. (3,)
        """
        ...

    def step(self, action: NDArray[np.float32]) -> Outcome:
        """Takes an action within [-1, 1]; (4,)."""
        ...
