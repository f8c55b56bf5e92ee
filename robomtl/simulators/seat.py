"""The place of an env in the memory that it shares with its simulator's process."""

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
    """An array of an env in the shared memory: its action, or a feature it observes."""

    name: str
    """Name of the feature; empty for the action."""
    dtype: Literal["float32", "uint8"]
    """Type of its elements."""
    shape: tuple[int, ...]
    """Its shape."""
    at: int
    """Where it begins in the env's region [bytes]."""
    low: str
    """Lower bounds, as hexadecimal bytes: one for all elements, or one each."""
    high: str
    """Upper bounds."""

    @property
    def space(self) -> gymnasium.spaces.Box:
        """The space of its values."""
        low, high = (
            np.resize(np.frombuffer(bytes.fromhex(bound), self.dtype), self.shape)
            for bound in (self.low, self.high)
        )
        return gymnasium.spaces.Box(low, high, dtype=np.dtype(self.dtype).type)

    def array(self, memory: mmap.mmap) -> NDArray[Any]:
        """Its array in the env's region."""
        count = int(np.prod(self.shape))
        return np.frombuffer(memory, self.dtype, count, self.at).reshape(self.shape)


@dataclass(frozen=True, kw_only=True)
class Made:
    """The answer of a server that made an env."""

    slot: int
    """Number of the env in the server."""
    offset: int
    """Where the env's region begins in the shared memory [bytes]."""
    size: int
    """Size of the region [bytes]."""
    action: Part
    """How one acts."""
    observation: tuple[Part, ...]
    """What is observed."""
    sighted: bool
    """Whether the env draws pictures on demand."""
    horizon: int | None
    """Steps after which an episode is truncated; None where the env does not say."""
    fps: float | None
    """Steps in a second of simulated time [1/s]; None where the env does not say."""
    render_mode: str | None
    """What ``render`` returns; None where the env shows nothing."""


class Seat:
    """The place of an env in a running server.

    Args:
        process: The server.
        made: Where the env lies in the server's memory.
    """

    def __init__(self, process: ServerProcess, made: Made) -> None:
        self.process, self.slot, self.made = process, made.slot, made
        self.memory = process.mapped(made.offset, made.size)
        self.action = made.action.array(self.memory)
        arrays = {part.name: part.array(self.memory) for part in made.observation}
        self.arrays = arrays
        self.images = {n: array for n, array in arrays.items() if array.ndim == 3}
        self.vectors = {n: array for n, array in arrays.items() if array.ndim != 3}

    def announce(self, action: Action) -> Action:
        """Prepares a step; returns the action as it was written."""
        self.action[...] = action
        self.process.announced.append(self.slot)
        return self.action.copy()

    def step(self) -> None:
        """Takes the announced step; see ``ServerProcess.step``."""
        self.process.step(self.slot)

    def pictures(self) -> Observation:
        """The pictures of an observation of now."""
        if self.made.sighted and self.images:
            self.process.call("pictures", dict[str, bool], slot=self.slot)
        return {name: array.copy() for name, array in self.images.items()}

    def render(self) -> Picture:
        """What the env shows now."""
        return self.process.picture(self.slot)
