"""A causal transformer over the task and a history of observations, with chunks of actions.

The tokens of a sequence are the task, then the observation at each time of the history, from
the earliest to the present one: a token for each state feature and a few for each image.
The last token is a learned one, and the action head reads what becomes of it. A token
attends to itself and to those before it.

Source: Haldar et al. 2024, "BAKU: An Efficient Transformer for Multi-Task Policy Learning"
(arXiv:2406.07539), section 3, whose trunk it is. Departures:

1. The learned token for actions is at the present time only, which is the one that
   acts. There actions are predicted and trained at every time of a history.
2. A TokenLearner reduces each image to a few tokens. There an image is one token, by an
   encoder that the task modulates, as ``Vision`` offers here.
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
    """Attention heads of each, which share the width."""


class Transformer(HeadPolicy):
    """Attends from each token to those before it, and acts by the last."""

    Config = TransformerConfig
    usual_history: ClassVar[int] = 2

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
        seen = observation_tokens(self, self.stem, observation, task_embedding)
        tokens = rearrange(
            seen.values + self.time, "batch time token x -> batch (time token) x"
        )
        task = task_tokens(self, observation, task_embedding)
        action = self.action.expand(len(tokens), -1, -1)
        tokens = torch.cat([task.values, tokens, action], dim=1)
        last = last_tokens(self.trunk, tokens, self._mask(task, seen.there))
        features: Tensor = self.norm(last)
        return features[:, 0]

    def _mask(self, task: Tokens, there: Tensor) -> Tensor:
        """Which token may look at which; (batch or 1, 1, token, token).

        Args:
            task: What the policy is conditioned on; goal images may be withheld.
            there: Whether a robot has a token of an observation; (batch, token).
        """
        if len(self.spec.embodiments) == 1 and self.goals is None:
            return self.causal[None, None]
        both, goals = there.new_ones(len(there), 1), task.there[:, 1:]
        seen = there.repeat(1, self.spec.history)
        every = torch.cat([both, goals, seen, both], dim=1)
        itself = torch.eye(len(self.causal), dtype=torch.bool, device=there.device)
        return (self.causal & every[:, None] | itself)[:, None]
