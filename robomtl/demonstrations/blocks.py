"""Blocks: the recorded episodes of consecutive variations, as arrays."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError

_OTHER = "other."  # Prefix of the arrays of observation features.

FAILED, SOLVED, UNSTABLE = 0, 1, 2
"""Outcome of an episode: never successful; successful; aborted by an error."""


class Unit(NamedTuple):
    """Consecutive variations of a task, which one process records at a time."""

    task: str
    start: int
    """Index of the first variation among those of the request."""
    variations: tuple[int, ...]


class Block(NamedTuple):
    """The result of a unit, with the frames of the episodes that are kept."""

    variation: NDArray[np.int64]
    """(episode,)."""
    outcome: NDArray[np.int8]
    """``FAILED``, ``SOLVED`` or ``UNSTABLE``; (episode,)."""
    length: NDArray[np.int64]
    """Number of frames that are kept, 0 if the episode is not kept; (episode,)."""
    state: NDArray[np.float32]
    """(frame, state)."""
    action: NDArray[np.float32]
    """(frame, action)."""
    reward: NDArray[np.float32]
    """(frame,)."""
    success: NDArray[np.bool_]
    """(frame,)."""
    fps: NDArray[np.int64]
    """Steps per second of simulated time; ()."""
    horizon: NDArray[np.int64]
    """Horizon of the env; -1 if it declares none; ()."""
    error: NDArray[np.str_] = np.array("")
    """Error of the last aborted episode; empty if none was aborted; ()."""
    others: Mapping[str, NDArray[Any]] = MappingProxyType({})
    """Observation features besides the state, by name; (frame, …)."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, with a prefix for observation features."""
        others = {f"{_OTHER}{name}": values for name, values in self.others.items()}
        return {n: v for n, v in self._asdict().items() if n != "others"} | others

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Block":
        """The block with the arrays that ``arrays`` returned.

        Raises:
            InputError: If an array is missing or unknown, or they do not fit together.
        """
        others = {
            name.removeprefix(_OTHER): values
            for name, values in arrays.items()
            if name.startswith(_OTHER)
        }
        own = {n: v for n, v in arrays.items() if not n.startswith(_OTHER)}
        if own.keys() != _FORMS.keys():
            wrong = sorted(own.keys() ^ _FORMS.keys())
            raise InputError(f"missing or unknown: {', '.join(wrong)}")
        for name, (kinds, axes) in _FORMS.items():
            if own[name].dtype.kind not in kinds or own[name].ndim != axes:
                raise InputError(f"{name} has another shape or type")
        block = cls(**own, others=others)
        block._check_lengths()
        return block

    def _check_lengths(self) -> None:
        episodes = len(self.length)
        if not len(self.variation) == len(self.outcome) == episodes:
            raise InputError("its arrays have different numbers of episodes")
        frames = len(self.state)
        counted = self.action, self.reward, self.success, *self.others.values()
        if not all(each.ndim and len(each) == frames for each in counted):
            raise InputError("its arrays have different numbers of frames")
        if (self.length < 0).any() or int(self.length.sum()) != frames:
            raise InputError("the lengths of its episodes contradict its frames")


_FORMS = {
    **dict.fromkeys(("variation", "outcome", "length"), ("i", 1)),
    **dict.fromkeys(("state", "action"), ("f", 2)),
    **{"reward": ("f", 1), "success": ("b", 1), "error": ("U", 0)},
    **dict.fromkeys(("fps", "horizon"), ("i", 0)),
}
"""Kinds of dtype and number of axes of the arrays of a block, by name."""
