"""Policies that draw a chunk of actions by a transformer over its steps.

The features of ``film``, in which the task modulates what is observed, condition a network
that turns noise into a chunk. Each step of the chunk is a token; features and the time of the
process shift and scale every block and gate what it adds. One network serves two objectives:
``diffusion`` removes noise level by level, ``flow`` follows a velocity; their equations are in
``robomtl.heads.diffusion`` and ``robomtl.heads.flow``.

Sources: Chi et al. 2023, "Diffusion Policy" (arXiv:2303.04137), and Black et al. 2024, "π0"
(arXiv:2410.24164), for the objectives; Peebles and Xie 2023, "Scalable Diffusion Models with
Transformers" (arXiv:2212.09748), section 3.2, adaLN-Zero, for the network. Departures:

1. Chi et al. have a convolutional U-Net, whose chunks must have lengths that can be halved,
   or a transformer that attends to the condition; here the condition modulates.
2. The chunk is 8 actions, and all are executed unless ``execute`` is smaller; there
   16 are predicted and 8 executed.
3. Observations are joined to one vector and encoded by a perceptron; π0 attends to them.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.errors import InputError
from robomtl.heads.denoising import TIME_FEATURES, DenoisingHead, encoded_time
from robomtl.heads.diffusion import diffusion_of
from robomtl.heads.flow import flow_of
from robomtl.policies.film import Film, FilmConfig
from robomtl.policy import Spec


@dataclass(frozen=True, kw_only=True)
class DenoisingConfig(FilmConfig):
    """Sizes of the policies ``diffusion`` and ``flow``."""

    chunk: int = 8
    """Number of actions predicted at once."""
    width: int = 256
    """Units of each block over the observation."""
    head_width: int = 128
    """Length of a token of the chunk."""
    head_blocks: int = 3
    """Blocks of the transformer over the chunk."""
    heads: int = 4
    """Attention heads of each of these, which share ``head_width``."""

    objective: ClassVar[str]
    """Head by whose process chunks are drawn."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, the heads do not share the width, or
                another head is named.
        """
        super().__post_init__()
        if self.head_width % self.heads:
            raise InputError(
                f"head_width is {self.head_width}, which {self.heads} heads do not share"
                f" evenly; give a multiple of {self.heads}."
            )
        if self.loss != self.objective:
            raise InputError(
                f"loss is '{self.loss}', and the policy '{self.objective}' has its own,"
                f" '{self.objective}'; leave it out, or give the policy film this head."
            )


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(DenoisingConfig):
    """Sizes of the ``diffusion`` policy."""

    loss: str = "diffusion"
    """Always diffusion."""

    objective: ClassVar[str] = "diffusion"


@dataclass(frozen=True, kw_only=True)
class FlowConfig(DenoisingConfig):
    """Sizes of the ``flow`` policy."""

    loss: str = "flow"
    """Always flow."""

    objective: ClassVar[str] = "flow"


class _Block(nn.Module):
    """Attention among the steps of a chunk, then a perceptron, each modulated and gated."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 6 * width)
        self.attended = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.inner, self.outer = (
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
        )
        nn.init.zeros_(self.modulation.weight)  # Each block begins as the identity.
        nn.init.zeros_(self.modulation.bias)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """(batch, token, width), (batch, width) -> (batch, token, width)."""
        shift, scale, gate, *others = self.modulation(condition)[:, None].chunk(
            6, dim=-1
        )
        parts = self.attended(self.norm(tokens) * (1 + scale) + shift)
        query, key, value = rearrange(
            parts, "b n (qkv head part) -> qkv b head n part", qkv=3, head=self.heads
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        joined = rearrange(found, "b head n part -> b n (head part)")
        tokens = tokens + gate * self.output(joined)
        shift, scale, gate = others
        inner = self.inner(self.norm(tokens) * (1 + scale) + shift)
        update: Tensor = gate * self.outer(functional.gelu(inner))
        return tokens + update


class ChunkTransformer(nn.Module):
    """Predicts what undoes the noise of a chunk, whose steps attend to one another.

    Args:
        config: Sizes.
        action: Length of an action.
    """

    def __init__(self, config: DenoisingConfig, action: int) -> None:
        super().__init__()
        width = config.head_width
        self.stem = nn.Linear(action, width)
        self.position = nn.Parameter(0.02 * torch.randn(config.chunk, width))
        self.time = nn.Linear(TIME_FEATURES, width)
        self.blocks = nn.ModuleList(
            _Block(width, config.heads) for _ in range(config.head_blocks)
        )
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.last = nn.Linear(width, action)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, chunk: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """What undoes the noise.

        Args:
            chunk: (batch, chunk, action).
            time: From 0 to 1; (batch,).
            condition: (batch, width).

        Returns:
            (batch, chunk, action).
        """
        conditions = functional.silu(condition + self.time(encoded_time(time)))
        tokens = self.stem(chunk) + self.position
        for block in self.blocks:
            tokens = block(tokens, conditions)
        shift, scale = self.modulation(conditions)[:, None].chunk(2, dim=-1)
        found: Tensor = self.last(self.norm(tokens) * (1 + scale) + shift)
        return found


class Diffusion(Film):
    """Draws a chunk of actions by denoising diffusion."""

    Config = DiffusionConfig

    def __init__(self, config: DiffusionConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.head = _head(config, spec)


class Flow(Film):
    """Draws a chunk of actions by flow matching."""

    Config = FlowConfig

    def __init__(self, config: FlowConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.head = _head(config, spec)


def _head(config: DenoisingConfig, spec: Spec) -> DenoisingHead:
    process = flow_of(config) if config.loss == "flow" else diffusion_of(config)
    network = ChunkTransformer(config, sum(spec.actions))
    return DenoisingHead(config.width, config, spec, process=process, network=network)
