"""A shift of where the hand starts."""

import numpy as np

from robomtl.shifts.shift import Effect, Scene, Shift, drawn_offset

_CM = 0.01
HAND_OFFSET = "hand_offset"
"""Option of reset: by how much the hand starts elsewhere along x, y and z [m]; (3,)."""


class _HandStart(Effect):
    """The hand starts elsewhere: sideways, backwards or above, where nothing is in its way."""

    def __init__(self, size: float, _: Scene, generator: np.random.Generator) -> None:
        offset = drawn_offset(_CM * size, 3, generator)
        offset[1], offset[2] = -abs(offset[1]), abs(offset[2])
        self.start = {HAND_OFFSET: offset}


HAND_START = Shift(
    line="the hand starts elsewhere by this: sideways, backwards or above",
    unit="cm",
    least=0,
    most=10,
    magnitudes=(2.5, 5, 10),
    randomised=(0, 5),
    needs="start",
    begin=_HandStart,
)
