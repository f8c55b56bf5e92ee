"""Images of the suite of points, drawn with numpy."""

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
"""Colour of each object; later ones are drawn over earlier ones."""
RADIUS = 0.07


def draw(
    positions: Mapping[str, NDArray[np.float64]], width: int, height: int
) -> Picture:
    """Image with a disc for each object on white; (height, width, 3).

    Args:
        positions: Positions of the objects: right and up, each within [-1, 1].
        width: Width of the image [px].
        height: Height of the image [px].
    """
    edge = 1 + RADIUS
    across = np.linspace(-edge, edge, width)
    up = np.linspace(edge, -edge, height)[:, None]
    picture = np.full((height, width, 3), WHITE, np.uint8)
    for thing, colour in COLOURS.items():
        x, y = positions[thing]
        picture[(across - x) ** 2 + (up - y) ** 2 <= RADIUS**2] = colour
    return picture
