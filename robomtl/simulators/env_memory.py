"""Region of an env in the memory that is shared with its simulator's process."""

import mmap
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from robomtl.camera import Picture
from robomtl.simulators.server_process import ServerProcess
from robomtl.task import Action, Observation


@dataclass(frozen=True, kw_only=True)
class Part:
    """Array of an env in shared memory: its action, or a feature of its observations."""

    name: str
    """Name of the feature; empty for the action."""
    dtype: Literal["float32", "uint8"]
    """Type of the elements."""
    shape: tuple[int, ...]
    """Shape of the array."""
    at: int
    """Offset of the array in the env's region [bytes]."""
    low: str
    """Lower bounds as hexadecimal bytes: one for all elements, or one for each."""
    high: str
    """Upper bounds, in the same form."""

    @property
    def space(self) -> gymnasium.spaces.Box:
        """Space of the array's values."""
        low, high = (
            np.resize(np.frombuffer(bytes.fromhex(bound), self.dtype), self.shape)
            for bound in (self.low, self.high)
        )
        return gymnasium.spaces.Box(low, high, dtype=np.dtype(self.dtype).type)

    def array(self, memory: mmap.mmap) -> NDArray[Any]:
        """The array, as a view of the env's region."""
        count = int(np.prod(self.shape))
        return np.frombuffer(memory, self.dtype, count, self.at).reshape(self.shape)


@dataclass(frozen=True, kw_only=True)
class MadeEnv:
    """Answer of a server that has made an env."""

    slot: int
    """Number of the env in the server."""
    offset: int
    """Offset of the env's region in the shared memory [bytes]."""
    size: int
    """Size of the region [bytes]."""
    action: Part
    """Array of the action."""
    observation: tuple[Part, ...]
    """Arrays of the observed features."""
    sighted: bool
    """Whether the env renders images on demand."""
    horizon: int | None
    """Number of steps after which an episode is truncated; None if unknown."""
    fps: float | None
    """Steps per second of simulated time [1/s]; None if unknown."""
    render_mode: str | None
    """Render mode of the env; None if it cannot render."""


class EnvMemory:
    """Env in a running server, with views of its arrays in shared memory.

    Args:
        process: Server of the env.
        made: The server's description of the env and its region.
    """

    def __init__(self, process: ServerProcess, made: MadeEnv) -> None:
        self.process, self.slot, self.made = process, made.slot, made
        self.memory = process.mapped(made.offset, made.size)
        self.action = made.action.array(self.memory)
        arrays = {part.name: part.array(self.memory) for part in made.observation}
        self.arrays = arrays
        self.images = {n: array for n, array in arrays.items() if array.ndim == 3}
        self.vectors = {n: array for n, array in arrays.items() if array.ndim != 3}

    def announce(self, action: Action) -> Action:
        """Prepares a step; returns a copy of the written action, cast to its dtype."""
        self.action[...] = action
        self.process.announced.append(self.slot)
        return self.action.copy()

    def step(self) -> None:
        """Takes the announced step; see ``ServerProcess.step``."""
        self.process.step(self.slot)

    def pictures(self) -> Observation:
        """Images of the current observation, by name of the feature."""
        if self.made.sighted and self.images:
            self.process.call("pictures", dict[str, bool], slot=self.slot)
        return {name: array.copy() for name, array in self.images.items()}

    def render(self) -> Picture:
        """Image that the env renders of its current state."""
        return self.process.picture(self.slot)
