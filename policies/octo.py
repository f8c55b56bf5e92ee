"""Octo: a transformer over task and observation tokens with learned readout tokens.

The sequence has groups of tokens: the task, the observation at each time of the history, and
the readouts. Attention is block-wise: task tokens attend to task tokens, observation tokens
to the task and to observations up to their own time, and a readout to all of these and to
itself. No other token attends to a readout, so that readouts and their heads can be added or
removed without affecting the rest. Withheld parts of the task, which are zeros, are masked.

Source: Octo Model Team 2024, "Octo: An Open-Source Generalist Robot Policy"
(arXiv:2405.12213), section III, and its code (``octo/model/octo_module.py``). Departures:

1. The task embedding, for example of a sentence, is one token, not 16 tokens of a frozen
   T5 encoder.
2. Each state feature is a token as well. A TokenLearner (Ryoo et al. 2021,
   arXiv:2106.11297) reduces each image to a few tokens; Octo has 256.
3. Actions are read out and trained at the last time of the history only; since no token
   attends to readouts, those of earlier times are left out.
4. A readout attends to itself and to no other readout; Octo's attends to those of its
   group up to its time. The head reads the mean of the readouts, as Octo's does.
5. Before the first step of a trial, its first observation is repeated; Octo masks it.
6. A goal image is read by the encoder of its camera; Octo has a separate encoder.
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
    """Predicts actions from readout tokens that attend to the task and to observations."""

    Config = OctoConfig
    default_history: ClassVar[int] = 2

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
        mask = (self.visible & tokens.present[:, None] | itself)[:, None]
        last = last_tokens(self.trunk, tokens.values, mask, count=len(self.readout))
        features: Tensor = self.norm(last)
        return features.mean(1)

    def _tokens(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tokens:
        """Tokens of the task, of observations and of readouts, in this order."""
        task = task_tokens(self, observation, task_embedding)
        stem_tokens = observation_tokens(self, self.stem, observation, task_embedding)
        values = rearrange(
            stem_tokens.values + self.time, "b time token x -> b (time token) x"
        )
        readouts = self.readout.expand(len(values), -1, -1)
        present = [
            task.present,
            stem_tokens.present.repeat(1, self.spec.history),
            task.present.new_ones(readouts.shape[:2]),
        ]
        return Tokens(
            torch.cat([task.values, values, readouts], dim=1), torch.cat(present, dim=1)
        )


def block_mask(*, task: int, observation: int, history: int, readouts: int) -> Tensor:
    """Block-wise attention mask, before absent tokens are masked.

    Args:
        task: Number of task tokens.
        observation: Number of tokens of an observation.
        history: Number of observations.
        readouts: Number of readout tokens, at the last time.

    Returns:
        True where the token of a row may attend to that of a column; (token, token).
    """
    times = torch.arange(history).repeat_interleave(observation)
    time = torch.cat(
        [times.new_full((task,), -1), times, times.new_full((readouts,), history - 1)]
    )
    visible = time[None, :] <= time[:, None]
    first = task + history * observation
    visible[:, first:] = torch.eye(len(time), dtype=torch.bool)[:, first:]
    return visible
