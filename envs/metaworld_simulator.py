"""Protocol of a simulator of a Meta-World task: begin an episode, take a step."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Outcome(NamedTuple):
    """Result of a step of a simulator."""

    state: Vector
    """State with the goal in its last 3 numbers; (39,). Valid until the next step."""
    reward: float
    """Meta-World's shaped reward, from 0 to 10; NaN if not requested."""
    success: bool
    """Whether the task is solved at this step."""


class Simulator(Protocol):
    """Simulator of a task for ``MetaWorldEnv``."""

    @property
    def env(self) -> Any:
        """Meta-World's env, with its cameras, model and data."""
        ...

    def begin(self, vector: Vector, hand: Vector | None = None) -> Vector:
        """Starts an episode; returns its first state; (39,).

        Args:
            vector: Meta-World's positions of objects and goal [m]; (3,) or (6,).
            hand: Initial position of the hand, relative to its range of starts, from 0 to 1
                along each axis; (3,). None for Meta-World's.
        """
        ...

    def hand_at(self, offset: Vector) -> Vector:
        """Argument ``hand`` of ``begin`` for a translated start of the hand; (3,).

        Args:
            offset: Translation from Meta-World's start along x, y and z [m]; clipped to the
                range of starts; (3,).
        """
        ...

    def step(self, action: NDArray[np.float32]) -> Outcome:
        """Takes a step with an action within [-1, 1]; (4,)."""
        ...
