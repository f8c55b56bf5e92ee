"""Settings for executing a policy's action chunks, and their execution."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.ranges import check_types, settings

Chunk = NDArray[np.float32]
"""Type of predicted actions; (row, time, action)."""


@settings
@dataclass(frozen=True, kw_only=True)
class ActorSettings:
    """Settings for executing action chunks: number of actions, and temporal ensembling."""

    execute: int | None = None
    """Number of a chunk's actions executed before the next prediction; None for all."""
    ensemble: float | None = None
    """Temporal ensembling: m of the weights exp(-m·i), where i = 0 is the oldest prediction
    of the current action. Every step predicts a chunk. None disables ensembling."""

    def __post_init__(self) -> None:
        """Checks the types and the ranges.

        Raises:
            InputError: If a value is out of range, or the two contradict each other.
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
                f"ensemble predicts a chunk at every step, so execute={self.execute}"
                " would have no effect; leave one of them out."
            )

    def check(self, chunk: int) -> None:
        """Refuses settings for which a policy's chunks are too short.

        Args:
            chunk: Number of actions that the policy predicts at once.

        Raises:
            InputError: If ``execute`` exceeds it, or chunks of 1 are to be ensembled.
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
        """Settings that differ from the defaults, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Execution:
    """Yields the action of each step from predicted chunks.

    Source of the ensembling: Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation
    with Low-Cost Hardware" (ACT, arXiv:2304.13705), algorithm 2.

    Args:
        settings: Number of actions to execute, and temporal ensembling.
    """

    def __init__(self, settings: ActorSettings) -> None:
        self._settings = settings
        self._chunks: list[Chunk] = []
        """The last chunk; with ensembling, all chunks that cover the current step."""
        self._taken = 0

    @property
    def due(self) -> bool:
        """Whether a prediction is needed before the next action."""
        if not self._chunks or self._settings.ensemble is not None:
            return True
        length = int(self._chunks[-1].shape[1])
        return self._taken >= min(self._settings.execute or length, length)

    def add(self, chunk: Chunk) -> None:
        """Adds a predicted chunk that begins at this step."""
        kept = [] if self._settings.ensemble is None else self._chunks
        self._chunks = [*(each[:, 1:] for each in kept if each.shape[1] > 1), chunk]
        self._taken = 0

    def action(self) -> NDArray[np.float32]:
        """Action of this step, to be called once per step; (row, action)."""
        if self._settings.ensemble is None:
            self._taken += 1
            return self._chunks[-1][:, self._taken - 1]
        present = np.stack([chunk[:, 0] for chunk in self._chunks])
        age = np.arange(len(present))
        weight = np.exp(-self._settings.ensemble * age)
        mean = np.tensordot(weight / weight.sum(), present, axes=1)
        return np.asarray(mean, np.float32)
