"""A shift of the hand's initial position."""

import numpy as np

from robomtl.shifts.shift import Effect, Scene, Shift, drawn_offset

_CM = 0.01
HAND_OFFSET = "hand_offset"
"""Reset option: offset of the hand's initial position along x, y and z [m]; (3,)."""


class _HandStart(Effect):
    """Moves the hand's initial position sideways, backwards or up, away from objects."""

    def __init__(self, size: float, _: Scene, generator: np.random.Generator) -> None:
        offset = drawn_offset(_CM * size, 3, generator)
        offset[1], offset[2] = -abs(offset[1]), abs(offset[2])
        self.start = {HAND_OFFSET: offset}


HAND_START = Shift(
    line="offset of the hand's initial position: sideways, backwards or up",
    unit="cm",
    minimum=0,
    maximum=10,
    magnitudes=(2.5, 5, 10),
    randomised=(0, 5),
    needs="start",
    begin=_HandStart,
)
