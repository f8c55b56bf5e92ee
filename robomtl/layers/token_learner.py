"""TokenLearner: reduces the positions of an image encoder's map to a few tokens.

Source: Ryoo et al. 2021, "TokenLearner: What Can 8 Learned Tokens Do for Images and
Videos?" (arXiv:2106.11297), in the form V1.1 that RT-1 uses (Brohan et al. 2022,
arXiv:2212.06817): token i is the mean over all positions p, with weights that a perceptron
computes from the normalised features x_p,

    z_i = sum_p softmax_p(MLP(LayerNorm(x_p))_i) x_p.
"""

import math

import torch
from torch import Tensor, nn

_BOTTLENECK = 64


class TokenLearner(nn.Module):
    """Reduces any number of tokens to a fixed number of weighted means.

    Args:
        width: Length of a token.
        count: Number of tokens to return.
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
        """Reduced tokens; (..., token, width) -> (..., count, width)."""
        weight: Tensor = self.maps(tokens).softmax(-2)
        return weight.mT @ tokens


def positional_encoding(count: int, width: int) -> Tensor:
    """Positional encoding: sines and cosines of row and column of each position of a map.

    If ``count`` is not a square number, the index in row order replaces the column.

    Args:
        count: Number of positions of the map.
        width: Length of the encoding of a position.

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
