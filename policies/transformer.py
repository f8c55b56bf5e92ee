"""A causal transformer over the task and a history of observations, with chunks of actions.

The sequence consists of the task, then the observation at each time of the history, from the
earliest to the present one, with a token for each state feature and a few for each image, and
a learned action token at the end, from whose output the action head predicts.

Source: the trunk of BAKU, Haldar et al. 2024, "BAKU: An Efficient Transformer for Multi-Task
Policy Learning" (arXiv:2406.07539), section 3. Departures:

1. There is one action token, at the present time. BAKU predicts and trains actions at every
   time of the history.
2. A TokenLearner reduces each image to a few tokens. In BAKU each image is one token of a
   task-modulated encoder; ``Vision`` configures such encoders here.
3. Before the first step of a trial, its first observation is repeated.
4. There is no dropout, and l1 is the default head rather than l2.
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
class TransformerConfig(TokenConfig):
    """Sizes and loss of the ``transformer`` policy."""

    chunk: int = 4
    """Number of actions predicted at once."""
    heads: int = 4
    """Attention heads of each block; they divide the width."""


class Transformer(HeadPolicy):
    """A causal transformer that acts by its last token; see the module."""

    Config = TransformerConfig
    default_history: ClassVar[int] = 2

    def __init__(self, config: TransformerConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        width = config.width
        self.encoder = task_layer(spec.embedding, width)
        self.stem = ObservationTokens(
            spec, self.observer, width=width, image_tokens=config.image_tokens
        )
        self.goals = GoalTokens(spec, width) if spec.goals else None
        self.time = nn.Parameter(0.02 * torch.randn(spec.history, 1, width))
        self.action = nn.Parameter(0.02 * torch.randn(1, width))
        self.trunk = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = action_head(width, config, spec)
        self.causal: Tensor
        goals = config.image_tokens * len(spec.goals)
        count = 2 + goals + spec.history * self.stem.count
        earlier = torch.ones(count, count, dtype=torch.bool).tril()
        self.register_buffer("causal", earlier, persistent=False)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, width)."""
        stem_tokens = observation_tokens(self, self.stem, observation, task_embedding)
        tokens = rearrange(
            stem_tokens.values + self.time, "batch time token x -> batch (time token) x"
        )
        task = task_tokens(self, observation, task_embedding)
        action = self.action.expand(len(tokens), -1, -1)
        tokens = torch.cat([task.values, tokens, action], dim=1)
        last = last_tokens(self.trunk, tokens, self._mask(task, stem_tokens.present))
        features: Tensor = self.norm(last)
        return features[:, 0]

    def _mask(self, task: Tokens, present: Tensor) -> Tensor:
        """Causal attention mask, in which absent tokens are masked.

        Args:
            task: Tokens of the conditioning; those of withheld goal images are absent.
            present: False for absent tokens of an observation; (batch, token).

        Returns:
            True where a token may attend to another; (batch or 1, 1, token, token).
        """
        if len(self.spec.embodiments) == 1 and self.goals is None:
            return self.causal[None, None]
        always, goals = present.new_ones(len(present), 1), task.present[:, 1:]
        observed = present.repeat(1, self.spec.history)
        every = torch.cat([always, goals, observed, always], dim=1)
        itself = torch.eye(len(self.causal), dtype=torch.bool, device=present.device)
        return (self.causal & every[:, None] | itself)[:, None]
