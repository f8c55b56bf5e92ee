"""Shifts of the observed positions of bodies; pictures do not change."""

from collections.abc import Sequence

import numpy as np

from robomtl.geometry import Body
from robomtl.shifts.shift import Effect, Scene, Shift, State, drawn_offset

_CM, _MM = 0.01, 0.001


class _Bias(Effect):
    """Adds one offset, constant over the episode, to the observed position of bodies."""

    def __init__(
        self,
        size: float,
        bodies: Sequence[Body],
        dimensions: int,
        generator: np.random.Generator,
    ) -> None:
        self._offset = drawn_offset(size, dimensions, generator).astype(np.float32)
        starts = [start for body in bodies for start in body.positions]
        self._indices = np.add.outer(starts, np.arange(dimensions))  # (position, axis)

    def observed(self, state: State) -> State:
        """The state with the offset added in place; (state,)."""
        state[self._indices] += self._offset
        return state


class _Noise(Effect):
    """Adds independent Gaussian noise to the observed position of objects at each step.

    Past positions that a state also contains keep the noise of their own step.
    """

    def __init__(self, size: float, scene: Scene, generator: np.random.Generator):
        assert scene.geometry is not None
        self._size, self._generator = size, generator
        self._bodies = scene.geometry.objects
        self._dimensions = scene.geometry.dimensions
        self._offsets: list[State] = []
        """Offsets of the last steps, latest first; each (object, axis)."""

    def observed(self, state: State) -> State:
        """The state with noise on the objects, added in place; (state,)."""
        shape = len(self._bodies), self._dimensions
        drawn = self._size * self._generator.standard_normal(shape)
        length = max((len(body.positions) for body in self._bodies), default=1)
        self._offsets = [drawn.astype(np.float32), *self._offsets][:length]
        for number, body in enumerate(self._bodies):
            for age, start in enumerate(body.positions):
                offset = self._offsets[min(age, len(self._offsets) - 1)][number]
                state[start : start + self._dimensions] += offset
        return state


def _object_bias(size: float, scene: Scene, generator: np.random.Generator) -> Effect:
    geometry = scene.geometry
    assert geometry is not None
    return _Bias(_CM * size, geometry.objects, geometry.dimensions, generator)


def _object_noise(size: float, scene: Scene, generator: np.random.Generator) -> Effect:
    return _Noise(_MM * size, scene, generator)


def _gripper(size: float, scene: Scene, generator: np.random.Generator) -> Effect:
    geometry = scene.geometry
    assert geometry is not None
    return _Bias(_CM * size, (geometry.hand,), geometry.dimensions, generator)


OBJECT_BIAS = Shift(
    line="offset of all observed objects, in a random direction per episode",
    unit="cm",
    minimum=0,
    maximum=50,
    magnitudes=(1, 2, 3),
    randomised=(0, 1),
    needs="positions",
    begin=_object_bias,
)
OBJECT_NOISE = Shift(
    line="std along each axis of noise on observed objects, drawn at each step",
    unit="mm",
    minimum=0,
    maximum=500,
    magnitudes=(2, 5, 10),
    randomised=(0, 5),
    needs="positions",
    begin=_object_noise,
)
GRIPPER_OFFSET = Shift(
    line="offset of the observed hand, in a random direction per episode",
    unit="cm",
    minimum=0,
    maximum=50,
    magnitudes=(1, 2, 3),
    randomised=(0, 1),
    needs="positions",
    begin=_gripper,
)
