"""A small vision transformer, modulated by the task.

Source: Dosovitskiy et al. 2021, "An Image Is Worth 16x16 Words" (arXiv:2010.11929), with
fixed sine and cosine positions and no class token after Beyer et al. 2022, "Better plain
ViT baselines" (arXiv:2205.01580). Departures:

1. The transformer has 6 blocks of width 192 with 3 heads: half the depth of ViT-Tiny.
2. The task modulates the tokens before every block (Perez et al. 2018, arXiv:1709.07871).
3. A spatial soft-argmax over the map of tokens replaces the mean over tokens.
"""

import torch
from einops import rearrange
from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.image_encoder import MapEncoder
from robomtl.layers.attention import Block
from robomtl.layers.image_layers import PositionChannels, centred
from robomtl.layers.vision import Vision

_WIDTH, _HEADS, _BLOCKS = 192, 3, 6
_SLOWEST = (
    10_000.0  # Longest wavelength of the positional encoding, over 2 pi [patches].
)


class ViT(MapEncoder):
    """Six transformer blocks over patches of ``Vision.patch`` pixels."""

    conditioned = True

    def __init__(self, vision: Vision, shape: tuple[int, ...]) -> None:
        super().__init__(vision, shape)
        size = vision.patch
        self.patches = nn.Conv2d(3, _WIDTH, size, stride=size)
        self.modulations = nn.ModuleList(
            self.modulation(_WIDTH) for _ in range(_BLOCKS)
        )
        self.blocks = nn.ModuleList(Block(_WIDTH, _HEADS) for _ in range(_BLOCKS))
        self.norm = nn.LayerNorm(_WIDTH)
        self.sinusoids: Tensor
        self.register_buffer("sinusoids", _places(shape, size), persistent=False)
        self.width = _WIDTH
        self.positions = PositionChannels(self.width, vision.features)

    @classmethod
    def check(cls, vision: Vision, shape: tuple[int, ...]) -> None:
        """Refuses image sides that are no multiple of the patch; see ``ImageEncoder``."""
        super().check(vision, shape)
        height, width = shape[:2]
        if height % vision.patch or width % vision.patch:
            least = min(height, width)
            fitting = [
                str(size)
                for size in range(4, least // 2 + 1)
                if not (height % size or width % size)
            ]
            raise InputError(
                f"cuts images into patches of {vision.patch} px, and the images are"
                f" {height} x {width} px; give vision.patch"
                f" {' or '.join(fitting) or 'a divisor'}"
            )

    def map(self, image: Tensor, task: Tensor | None = None) -> Tensor:
        """See ``MapEncoder``."""
        features = self.patches(centred(image)) + self.sinusoids
        height = features.shape[2]
        for modulation, block in zip(self.modulations, self.blocks, strict=True):
            features = modulation(features, task)
            assert isinstance(block, Block)
            tokens = block.among(rearrange(features, "batch c h w -> batch (h w) c"))
            features = rearrange(tokens, "batch (h w) c -> batch c h w", h=height)
        normalised: Tensor = self.norm(
            rearrange(features, "batch c h w -> batch h w c")
        )
        return rearrange(normalised, "batch h w c -> batch c h w")


def _places(shape: tuple[int, ...], size: int) -> Tensor:
    """Sinusoidal encoding of the row and column of each patch; (width, row, column)."""
    count = _WIDTH // 4
    rate = _SLOWEST ** -(torch.arange(count) / (count - 1))
    down, right = (
        torch.arange(side // size)[:, None] * rate for side in shape[:2]
    )  # (row, count), (column, count)
    rows = torch.cat([down.sin(), down.cos()], dim=1).T[:, :, None]
    columns = torch.cat([right.sin(), right.cos()], dim=1).T[:, None, :]
    grid = rows.shape[1], columns.shape[2]
    return torch.cat([rows.expand(-1, *grid), columns.expand(-1, *grid)])
