"""A transformer over tokens of the task and of observations, read out by tokens of its own.

Tokens stand in groups: the task first, then the observation at each time of the history,
then the readouts. Attention is block-wise: tokens of the task attend to those of the task,
an observation to the task and to observations up to its own time, and a readout to all of
these and to itself. Nothing attends to a readout, so that readouts, and the heads that read
them, come and go without any change to the rest. Whatever part of the task is withheld, by
zeros in its place, is masked: nothing attends to it.

Source: Octo Model Team 2024, "Octo: An Open-Source Generalist Robot Policy"
(arXiv:2405.12213), section III, and its code (``octo/model/octo_module.py``). Departures:

1. The task embedding, a sentence's for instance, is one token, and not 16 of a T5 encoder
   that is kept frozen.
2. State features are tokens as well, one for each. A TokenLearner (Ryoo et al. 2021,
   arXiv:2106.11297) reduces each image to a few tokens, where Octo has 256.
3. Actions are read out at the last time of the history alone, which is the one that is
   trained; as nothing attends to readouts, those of earlier times are left out.
4. A readout attends to itself and to no other readout, where Octo's attends to those of
   its group up to its time. The head reads the mean of the readouts, as Octo's does.
5. Before the first step of a trial, its first observation is repeated, where Octo masks.
6. An image of the goal is read by the encoder of its camera, where Octo's has its own.
7. There is no dropout.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from robomtl.action_head import HeadPolicy, action_head
from robomtl.layers.attention import Block, last_tokens
from robomtl.layers.observation_tokens import (
    GoalTokens,
    ObservationTokens,
    Tokens,
    observation_tokens,
    task_tokens,
)
from robomtl.layers.token_config import TokenConfig
from robomtl.policy import Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class OctoConfig(TokenConfig):
    """Sizes and loss of the ``octo`` policy."""

    chunk: int = 4
    """Number of actions predicted at once."""
    loss: str = "flow"
    """Action head: l1, l2, gaussian, mixture, bins, flow or diffusion."""
    readouts: int = 1
    """Number of readout tokens, whose mean the head reads."""


class Octo(HeadPolicy):
    """Reads actions off tokens that attend to the task and to observations."""

    Config = OctoConfig
    usual_history: ClassVar[int] = 2

    def __init__(self, config: OctoConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        width = config.width
        self.encoder = task_layer(spec.embedding, width)
        self.stem = ObservationTokens(
            spec, self.observer, width=width, image_tokens=config.image_tokens
        )
        self.goals = GoalTokens(spec, width) if spec.goals else None
        self.time = nn.Parameter(0.02 * torch.randn(spec.history, 1, width))
        self.readout = nn.Parameter(0.02 * torch.randn(config.readouts, width))
        self.trunk = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = action_head(width, config, spec)
        self.visible: Tensor
        self.register_buffer(
            "visible",
            block_mask(
                task=1 + config.image_tokens * len(spec.goals),
                observation=self.stem.count,
                history=spec.history,
                readouts=config.readouts,
            ),
            persistent=False,
        )

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, width)."""
        tokens = self._tokens(observation, task_embedding)
        itself = torch.eye(len(self.visible), dtype=torch.bool, device=self.device)
        mask = (self.visible & tokens.there[:, None] | itself)[:, None]
        last = last_tokens(self.trunk, tokens.values, mask, count=len(self.readout))
        features: Tensor = self.norm(last)
        return features.mean(1)

    def _tokens(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tokens:
        """The tokens of the task, of observations and of readouts, in this order."""
        task = task_tokens(self, observation, task_embedding)
        seen = observation_tokens(self, self.stem, observation, task_embedding)
        values = rearrange(
            seen.values + self.time, "b time token x -> b (time token) x"
        )
        readouts = self.readout.expand(len(values), -1, -1)
        there = [
            task.there,
            seen.there.repeat(1, self.spec.history),
            task.there.new_ones(readouts.shape[:2]),
        ]
        return Tokens(
            torch.cat([task.values, values, readouts], dim=1), torch.cat(there, dim=1)
        )


def block_mask(*, task: int, observation: int, history: int, readouts: int) -> Tensor:
    """Which token may look at which, if that is there.

    Args:
        task: Number of tokens of the task.
        observation: Number of tokens of an observation.
        history: Number of observations.
        readouts: Number of readout tokens, at the last time.

    Returns:
        True where the token of a row may look at that of a column; (token, token).
    """
    times = torch.arange(history).repeat_interleave(observation)
    time = torch.cat(
        [times.new_full((task,), -1), times, times.new_full((readouts,), history - 1)]
    )
    visible = time[None, :] <= time[:, None]
    first = task + history * observation
    visible[:, first:] = torch.eye(len(time), dtype=torch.bool)[:, first:]
    return visible
