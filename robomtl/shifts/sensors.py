"""Shifts of where things are observed to be; pictures are as they were."""

from collections.abc import Sequence

import numpy as np

from robomtl.geometry import Body
from robomtl.shifts.shift import Effect, Scene, Shift, State, drawn_offset

_CM, _MM = 0.01, 0.001


class _Bias(Effect):
    """Some bodies are seen off by one offset, the same in the whole episode."""

    def __init__(
        self,
        size: float,
        bodies: Sequence[Body],
        dimensions: int,
        generator: np.random.Generator,
    ) -> None:
        self._offset = drawn_offset(size, dimensions, generator).astype(np.float32)
        starts = [start for body in bodies for start in body.positions]
        self._where = np.add.outer(starts, np.arange(dimensions))  # (position, axis)

    def seen(self, state: State) -> State:
        """The state with the bodies elsewhere; (state,)."""
        state[self._where] += self._offset
        return state


class _Noise(Effect):
    """Objects are seen off by another offset at each step.

    A state that also holds positions of steps before has them as they were seen then.
    """

    def __init__(self, size: float, scene: Scene, generator: np.random.Generator):
        assert scene.geometry is not None
        self._size, self._generator = size, generator
        self._bodies = scene.geometry.objects
        self._dimensions = scene.geometry.dimensions
        self._seen: list[State] = []
        """Offsets by step, the latest first; each (object, axis)."""

    def seen(self, state: State) -> State:
        """The state with noise on objects; (state,)."""
        shape = len(self._bodies), self._dimensions
        drawn = self._size * self._generator.standard_normal(shape)
        held = max((len(body.positions) for body in self._bodies), default=1)
        self._seen = [drawn.astype(np.float32), *self._seen][:held]
        for number, body in enumerate(self._bodies):
            for age, start in enumerate(body.positions):
                offset = self._seen[min(age, len(self._seen) - 1)][number]
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
    line="all objects are seen off by this, in one direction an episode",
    unit="cm",
    least=0,
    most=50,
    magnitudes=(1, 2, 3),
    randomised=(0, 1),
    needs="positions",
    begin=_object_bias,
)
OBJECT_NOISE = Shift(
    line="standard deviation along each axis of where objects are seen, step by step",
    unit="mm",
    least=0,
    most=500,
    magnitudes=(2, 5, 10),
    randomised=(0, 5),
    needs="positions",
    begin=_object_noise,
)
GRIPPER_OFFSET = Shift(
    line="the hand is seen off by this, in one direction an episode",
    unit="cm",
    least=0,
    most=50,
    magnitudes=(1, 2, 3),
    randomised=(0, 1),
    needs="positions",
    begin=_gripper,
)
