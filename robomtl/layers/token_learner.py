"""A few tokens from the many places of an image.

Source: Ryoo et al. 2021, "TokenLearner: What Can 8 Learned Tokens Do for Images and
Videos?" (arXiv:2106.11297), in the form V1.1 that RT-1 uses (Brohan et al. 2022,
arXiv:2212.06817): token i is the mean of all places, weighted by a map that a perceptron
computes from the normalised place,

    z_i = sum_p softmax_p(MLP(LayerNorm(x_p))_i) x_p.
"""

import math

import torch
from torch import Tensor, nn

_BOTTLENECK = 64


class TokenLearner(nn.Module):
    """Reduces tokens to a number of learned ones.

    Args:
        width: Length of a token.
        count: Number of tokens that are learned.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, _BOTTLENECK),
            nn.GELU(approximate="tanh"),
            nn.Linear(_BOTTLENECK, count),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """The learned tokens; (..., token, width) -> (..., count, width)."""
        weight: Tensor = self.maps(tokens).softmax(-2)
        return weight.mT @ tokens


def places(count: int, width: int) -> Tensor:
    """Sines and cosines of the row and the column of every place of a square map.

    Each place of a map is identified by its index in row order if the map is not square.

    Args:
        count: Number of places.
        width: Length of the code of a place.

    Returns:
        (count, width).
    """
    side = math.isqrt(count)
    columns = side if side * side == count else count
    number = torch.arange(count)
    axes = (number // columns, number % columns)
    scaled = [axis / max(columns - 1, 1) for axis in axes]
    frequency = math.pi * 2.0 ** torch.arange(max(width // 4, 1)).clamp(max=5)
    angles = torch.cat([axis[:, None] * frequency for axis in scaled], dim=1)
    code = torch.cat([angles.sin(), angles.cos()], dim=1)
    return nn.functional.pad(code, (0, max(width - code.shape[1], 0)))[:, :width]
