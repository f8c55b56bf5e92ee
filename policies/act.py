"""ACT, action chunking with transformers: a conditional VAE of chunks of actions.

In training a transformer with a learned token encodes the demonstrated chunk a and the
state s to q(z | a, s), a Gaussian with diagonal covariance. A second transformer reads tokens
of z, of the task and of the observation; queries, one for each step of the chunk, attend to
them and are projected to the actions â. The loss is

    mean |â - a| over components and valid steps + β KL(q(z | a, s) ‖ N(0, I)),

with the divergence summed over the components of z, in nats. The policy acts with z = 0.
Overlapping chunks are averaged by the actor, see ``ActorSettings.ensemble``.

Source: Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware"
(arXiv:2304.13705), section IV and appendix C. Departures:

1. The scale of β: the error is a mean over chunk and components, while the divergence is a
   sum. With the paper's β = 10, the posterior collapses (z carries no information) where
   actions vary little; the default is 0.1. The log has the divergence, ``kl``, and the
   number of components of z in use, ``active_units``.
2. The task embedding is a token; the paper has one policy per task. State features are
   tokens as well, which attend to z: in the published code z is not read without images.
3. In the decoder, one attention layer attends to both the queries and the encoded tokens.
   There is one decoder block by default: the published code has seven and reads the first.
4. Padding is excluded from the error and from the attention keys; in the published code it
   enters the mean of the error.
5. Blocks are pre-normalised and have no dropout.
6. Validation scores the policy as it acts: z = 0, without the divergence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HeadConfig, action_head, masked_mean
from robomtl.layers.attention import Attended, Block, check_heads, last_tokens
from robomtl.layers.observation_tokens import (
    GoalTokens,
    ObservationTokens,
    observation_tokens,
    task_tokens,
)
from robomtl.policy import EMBODIMENT, Batch, Loss, Memory, Policy, Spec, task_layer
from robomtl.ranges import check_not_negative, check_sizes

_ACTIVE = 0.01  # Divergence above which a component of z counts as in use [nats].


@dataclass(frozen=True, kw_only=True)
class ActConfig:
    """Sizes of the ``act`` policy, and the weight of its divergence."""

    chunk: int = 10
    """Number of actions predicted at once."""
    width: int = 256
    """Length of a token."""
    heads: int = 4
    """Attention heads of each block; they divide the width."""
    chunk_blocks: int = 1
    """Transformer blocks that encode a demonstrated chunk to z."""
    blocks: int = 3
    """Transformer blocks that encode z, task and observation."""
    query_blocks: int = 1
    """Transformer blocks that decode queries to actions."""
    latent: int = 32
    """Length of z."""
    beta: float = 0.1
    """Weight β of the divergence of z from a standard Gaussian."""
    image_tokens: int = 8
    """Number of tokens of an image."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, beta is negative, or the heads do not
                divide the width.
        """
        check_sizes(self, "beta")
        check_not_negative(self, "beta")
        check_heads(self.width, self.heads)


class Latent(NamedTuple):
    """Diagonal Gaussian over z."""

    mean: Tensor
    """Mean of z; (batch, latent)."""
    log_variance: Tensor
    """Logarithm of the variance of z; (batch, latent)."""

    def sample(self) -> Tensor:
        """A reparametrised sample; (batch, latent)."""
        noise = torch.randn_like(self.mean)
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self) -> Tensor:
        """KL divergence of each component from N(0, 1), in nats; (batch, latent)."""
        square = self.mean.square() + self.log_variance.exp()
        return 0.5 * (square - 1 - self.log_variance)


class ChunkEncoder(nn.Module):
    """Encodes a demonstrated chunk and the state at its start to a Gaussian over z.

    Args:
        config: Sizes of the network.
        state: Length of the state.
        action: Length of an action.
    """

    def __init__(self, config: ActConfig, *, state: int, action: int) -> None:
        super().__init__()
        width = config.width
        self.first = nn.Parameter(0.02 * torch.randn(1, width))
        self.state, self.action = nn.Linear(state, width), nn.Linear(action, width)
        self.position = nn.Parameter(0.02 * torch.randn(config.chunk, width))
        self.blocks = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.chunk_blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, 2 * config.latent)

    def forward(self, state: Tensor, action: Tensor, mask: Tensor) -> Latent:
        """Approximate posterior q(z | a, s) of each chunk.

        Args:
            state: Standardised state; (batch, state).
            action: Demonstrated actions; (batch, chunk, action).
            mask: 1 for actions within the episode, 0 for padding; (batch, chunk).
        """
        first = self.first.expand(len(state), -1, -1)
        actions = self.action(action * mask[..., None]) + self.position
        # Attention ignores order, so the learned token can be the last.
        tokens = torch.cat([self.state(state)[:, None], actions, first], dim=1)
        mask_with_ends = functional.pad(mask > 0, (1, 1), value=True)[:, None, None]
        tokens = last_tokens(self.blocks, tokens, mask_with_ends)
        mean, log_variance = self.last(self.norm(tokens[:, 0])).float().chunk(2, dim=-1)
        return Latent(mean, log_variance)


class Act(Policy):
    """Predicts chunks of actions by a conditional VAE; see the module."""

    Config = ActConfig

    def __init__(self, config: ActConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        width = config.width
        self.encoder = task_layer(spec.embedding, width)
        self.chunk_encoder = ChunkEncoder(
            config, state=spec.state_slices[-1].stop, action=sum(spec.actions)
        )
        self.latent = nn.Linear(config.latent, width)
        # Learned embeddings that distinguish the tokens of z and of the task.
        self.kind = nn.Parameter(0.02 * torch.randn(2, width))
        self.stem = ObservationTokens(
            spec, self.observer, width=width, image_tokens=config.image_tokens
        )
        self.goals = GoalTokens(spec, width) if spec.goals else None
        self.time = nn.Parameter(0.02 * torch.randn(spec.history, 1, width))
        self.trunk = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.blocks)
        )
        self.query = nn.Parameter(0.02 * torch.randn(config.chunk, width))
        self.decoder = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.query_blocks)
        )
        self.norm = nn.LayerNorm(width)
        # The head predicts one step from one query.
        self.head = action_head(width, HeadConfig(loss="l1"), spec)

    def loss(self, batch: Batch) -> Loss:
        """Error plus weighted divergence of each sample; see ``Policy``."""
        if not self.training:  # Departure 6.
            error = self._error(batch, self._prior(batch.task_embedding))
            return Loss(error, {"action_error": error.detach().mean()})
        posterior = self._encoded(batch)
        error = self._error(batch, posterior.sample())
        divergence = posterior.divergence()
        kl = divergence.sum(-1)
        active = (divergence.detach().mean(0) > _ACTIVE).sum()
        return Loss(
            error + self.config.beta * kl,
            {
                "action_error": error.detach().mean(),
                "kl": kl.detach().mean(),
                "active_units": active.float(),
            },
        )

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """Predicted chunk for z = 0; see ``Policy``."""
        prior = self._prior(task_embedding)
        predicted = self._predicted(observation, task_embedding, prior)
        return predicted.clamp(-1.0, 1.0), memory

    def _prior(self, task_embedding: Tensor) -> Tensor:
        """Mean of the prior over z: zeros; (batch, latent)."""
        rows = len(task_embedding)
        return torch.zeros(rows, self.config.latent, device=task_embedding.device)

    def _encoded(self, batch: Batch) -> Latent:
        """Approximate posterior q(z | a, s) of the demonstrated chunks of a batch."""
        state = self.normaliser(self.observer.spread(batch.observation))
        if self.spec.history > 1:
            state = state[:, -1]
        action = self.head.scattered(batch.action, batch.observation.get(EMBODIMENT))
        posterior: Latent = self.chunk_encoder(state, action, batch.mask)
        return posterior

    def _error(self, batch: Batch, latent: Tensor) -> Tensor:
        """Mean absolute error of each sample for a value of z; (batch,)."""
        predicted = self._predicted(batch.observation, batch.task_embedding, latent)
        present = self.head.component_mask(batch.observation.get(EMBODIMENT))
        return masked_mean((predicted - batch.action).abs(), batch.mask, present)

    def _predicted(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor, latent: Tensor
    ) -> Tensor:
        """Actions before clipping to bounds; (batch, chunk, action)."""
        tokens, attention_mask = self._tokens(observation, task_embedding, latent)
        for block in cast(Sequence[Block], self.trunk):
            tokens = block.among(tokens, attention_mask)
        if attention_mask is not None:
            attention_mask = functional.pad(
                attention_mask, (0, len(self.query)), value=True
            )
        # The first block computes the queries once, as they are the same for all samples.
        queries = self.query[None]
        for block in cast(Sequence[Block], self.decoder):  # Departure 3.
            keys, values = (
                torch.cat([encoded, own.expand(len(encoded), -1, -1, -1)], dim=2)
                for encoded, own in zip(
                    block.keys_and_values(tokens),
                    block.keys_and_values(queries),
                    strict=True,
                )
            )
            queries = block(queries, Attended(keys, values, attention_mask))
        predicted: Tensor = self.head.linear(self.norm(queries)).float()
        return self.head.gathered(predicted, observation.get(EMBODIMENT))

    def _tokens(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor, latent: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens of z, the task and the observation, with their attention mask.

        Returns:
            The tokens, (batch, token, width), and a mask that is True for present tokens,
            (batch, 1, 1, token); None if all are present.
        """
        stem_tokens = observation_tokens(self, self.stem, observation, task_embedding)
        task = task_tokens(self, observation, task_embedding)
        conditions = torch.stack([self.latent(latent), task.values[:, 0]], dim=1)
        observed = rearrange(
            stem_tokens.values + self.time, "batch time token x -> batch (time token) x"
        )
        goals = task.values[:, 1:]
        tokens = torch.cat([conditions + self.kind, goals, observed], dim=1)
        if len(self.spec.embodiments) == 1 and self.goals is None:
            return tokens, None
        present = [
            task.present[:, 1:],
            stem_tokens.present.repeat(1, self.spec.history),
        ]
        mask = functional.pad(torch.cat(present, dim=1), (2, 0), value=True)
        return tokens, mask[:, None, None]
