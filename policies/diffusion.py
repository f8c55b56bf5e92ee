"""Diffusion and flow policies: a transformer over the steps of a chunk denoises it.

The task-modulated features of ``film`` condition a network that turns noise into a chunk of
actions. Each step of the chunk is a token; features and the time of the process scale, shift
and gate every block (adaLN). The same network serves two objectives: ``diffusion`` removes
noise level by level, ``flow`` follows a velocity; for their equations see
``robomtl.heads.diffusion`` and ``robomtl.heads.flow``.

Sources: Chi et al. 2023, "Diffusion Policy" (arXiv:2303.04137), and Black et al. 2024, "π0"
(arXiv:2410.24164), for the objectives; Peebles and Xie 2023, "Scalable Diffusion Models with
Transformers" (arXiv:2212.09748), section 3.2, adaLN-Zero, for the network. Departures:

1. Chi et al. use a convolutional U-Net, which needs chunk lengths that can be halved, or a
   transformer that attends to the condition; here the condition modulates the blocks.
2. Chunks have 8 actions, which are all executed unless ``execute`` is smaller; Chi et al.
   predict 16 and execute 8.
3. Observations are concatenated and encoded by a perceptron; π0 attends to them.
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
    """Attention heads of each of these blocks; they divide ``head_width``."""

    objective: ClassVar[str]
    """Registered name of the action head whose process samples the chunks."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, the heads do not divide the width, or
                ``loss`` names another action head.
        """
        super().__post_init__()
        if self.head_width % self.heads:
            raise InputError(
                f"head_width is {self.head_width}, which {self.heads} attention heads do"
                f" not divide; give a multiple of {self.heads}."
            )
        if self.loss != self.objective:
            raise InputError(
                f"loss is '{self.loss}', but the policy '{self.objective}' always has the"
                f" head '{self.objective}'; leave loss out, or choose the policy film."
            )


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(DenoisingConfig):
    """Sizes of the ``diffusion`` policy."""

    loss: str = "diffusion"
    """Action head; always diffusion."""

    objective: ClassVar[str] = "diffusion"


@dataclass(frozen=True, kw_only=True)
class FlowConfig(DenoisingConfig):
    """Sizes of the ``flow`` policy."""

    loss: str = "flow"
    """Action head; always flow."""

    objective: ClassVar[str] = "flow"


class _Block(nn.Module):
    """An adaLN-Zero block: self-attention, then a perceptron, each modulated and gated."""

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
        """Tokens after the block; (batch, token, width).

        Args:
            tokens: (batch, token, width).
            condition: (batch, width).
        """
        shift, scale, gate, *others = self.modulation(condition)[:, None].chunk(
            6, dim=-1
        )
        parts = self.attended(self.norm(tokens) * (1 + scale) + shift)
        query, key, value = rearrange(
            parts, "b n (qkv head part) -> qkv b head n part", qkv=3, head=self.heads
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        joined = rearrange(mixed, "b head n part -> b n (head part)")
        tokens = tokens + gate * self.output(joined)
        shift, scale, gate = others
        inner = self.inner(self.norm(tokens) * (1 + scale) + shift)
        update: Tensor = gate * self.outer(functional.gelu(inner))
        return tokens + update


class ChunkTransformer(nn.Module):
    """Predicts the target of the noise process by a transformer over the steps of a chunk.

    Args:
        config: Sizes of the network.
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
        """Predicted target of the process; (batch, chunk, action).

        Args:
            chunk: Corrupted chunk; (batch, chunk, action).
            time: Time of the process, from 0 to 1; (batch,).
            condition: (batch, width).
        """
        conditions = functional.silu(condition + self.time(encoded_time(time)))
        tokens = self.stem(chunk) + self.position
        for block in self.blocks:
            tokens = block(tokens, conditions)
        shift, scale = self.modulation(conditions)[:, None].chunk(2, dim=-1)
        estimate: Tensor = self.last(self.norm(tokens) * (1 + scale) + shift)
        return estimate


class Diffusion(Film):
    """Samples a chunk of actions by denoising diffusion."""

    Config = DiffusionConfig

    def __init__(self, config: DiffusionConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.head = _head(config, spec)


class Flow(Film):
    """Samples a chunk of actions by flow matching."""

    Config = FlowConfig

    def __init__(self, config: FlowConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.head = _head(config, spec)


def _head(config: DenoisingConfig, spec: Spec) -> DenoisingHead:
    process = flow_of(config) if config.loss == "flow" else diffusion_of(config)
    network = ChunkTransformer(config, sum(spec.actions))
    return DenoisingHead(config.width, config, spec, process=process, network=network)
