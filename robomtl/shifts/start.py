"""A shift of where the hand starts."""

import numpy as np

from robomtl.shifts.shift import Effect, Scene, Shift

_CM = 0.01
HAND_OFFSET = "hand_offset"
"""Option of reset: by how much the hand starts elsewhere along x, y and z [m]; (3,)."""


class _HandStart(Effect):
    """The hand starts elsewhere: sideways, backwards or above, where nothing stands."""

    def __init__(self, size: float, _: Scene, generator: np.random.Generator) -> None:
        way = generator.standard_normal(3)
        way[1], way[2] = -abs(way[1]), abs(way[2])
        self.start = {HAND_OFFSET: _CM * size * way / np.linalg.norm(way)}


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
