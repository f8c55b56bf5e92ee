"""Pictures of the suite of points, drawn without a library."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from robomtl.camera import Picture

WHITE = (255, 255, 255)
COLOURS = {
    "red": (214, 69, 65),
    "green": (76, 160, 90),
    "blue": (66, 113, 190),
    "flag": (240, 190, 60),
    "ball": (150, 150, 150),
    "point": (20, 20, 20),
}
"""Of each thing; the later lie above the earlier."""
RADIUS = 0.07


def draw(places: Mapping[str, NDArray[np.float64]], width: int, height: int) -> Picture:
    """A disc for each thing, on white; (height, width, 3).

    Args:
        places: Where things are, each within [-1, 1] twice: to the right, and up.
        width: Of the picture [px].
        height: Of the picture [px].
    """
    edge = 1 + RADIUS
    across = np.linspace(-edge, edge, width)
    up = np.linspace(edge, -edge, height)[:, None]
    picture = np.full((height, width, 3), WHITE, np.uint8)
    for thing, colour in COLOURS.items():
        x, y = places[thing]
        picture[(across - x) ** 2 + (up - y) ** 2 <= RADIUS**2] = colour
    return picture
