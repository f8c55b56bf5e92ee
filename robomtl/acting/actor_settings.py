"""How a policy's chunks of actions are executed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.ranges import check_types, settings

Chunk = NDArray[np.float32]
"""Predicted actions; (row, time, action)."""


@settings
@dataclass(frozen=True, kw_only=True)
class ActorSettings:
    """How many predicted actions are executed, and how predictions are combined."""

    execute: int | None = None
    """Actions of a chunk that are executed before the next prediction; all if None."""
    ensemble: float | None = None
    """Temporal ensembling: m of the weights exp(-m·i), i = 0 for the oldest prediction of
    the present action. Every step predicts anew. None for no ensembling."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            InputError: If one is impossible, or the two contradict each other.
        """
        check_types(self)
        if self.execute is not None and self.execute < 1:
            raise InputError(f"execute is {self.execute}; give 1 action or more.")
        if self.ensemble is not None and not 0 <= self.ensemble < np.inf:
            raise InputError(
                f"ensemble is {self.ensemble}; give 0 or more, such as 0.01."
            )
        if self.ensemble is not None and self.execute not in (None, 1):
            raise InputError(
                f"ensemble predicts anew at every step, so that execute={self.execute}"
                " would do nothing; leave out either."
            )

    def check(self, chunk: int) -> None:
        """Refuses what a policy's chunks are too short for.

        Args:
            chunk: Number of actions that the policy predicts at once.

        Raises:
            InputError: If they are.
        """
        if self.execute is not None and self.execute > chunk:
            raise InputError(
                f"execute is {self.execute}, but the policy predicts chunks of {chunk}; give"
                f" {chunk} or less, or train with a longer chunk (--architecture.chunk)."
            )
        if self.ensemble is not None and chunk == 1:
            raise InputError(
                "ensemble combines overlapping chunks, but the policy predicts one action"
                " at a time; leave it out, or train with --architecture.chunk."
            )

    @property
    def given(self) -> dict[str, Any]:
        """The settings that differ from the defaults."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Execution:
    """Takes the actions of predicted chunks, one a step.

    Source of the ensembling: Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation
    with Low-Cost Hardware" (ACT, arXiv:2304.13705), algorithm 2.

    Args:
        settings: How.
    """

    def __init__(self, settings: ActorSettings) -> None:
        self._settings = settings
        self._chunks: list[Chunk] = []
        """The last chunk; all that hold a present action where they are ensembled."""
        self._taken = 0

    @property
    def due(self) -> bool:
        """Whether a prediction is needed before the next action."""
        if not self._chunks or self._settings.ensemble is not None:
            return True
        length = int(self._chunks[-1].shape[1])
        return self._taken >= min(self._settings.execute or length, length)

    def add(self, chunk: Chunk) -> None:
        """Takes a prediction that begins at this step."""
        kept = [] if self._settings.ensemble is None else self._chunks
        self._chunks = [*(each[:, 1:] for each in kept if each.shape[1] > 1), chunk]
        self._taken = 0

    def action(self) -> NDArray[np.float32]:
        """The action of this step; (row, action)."""
        if self._settings.ensemble is None:
            self._taken += 1
            return self._chunks[-1][:, self._taken - 1]
        present = np.stack([chunk[:, 0] for chunk in self._chunks])
        age = np.arange(len(present))
        weight = np.exp(-self._settings.ensemble * age)
        mean = np.tensordot(weight / weight.sum(), present, axes=1)
        return np.asarray(mean, np.float32)
