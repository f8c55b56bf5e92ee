"""Action chunking with transformers: a variational autoencoder of chunks of actions.

Training encodes the demonstrated chunk a and the state s to q(z | a, s), a Gaussian with a
diagonal covariance, by a transformer whose first token is a learned one. A second transformer
reads tokens of z, of the task and of the observation; queries, one for each step of the chunk,
attend to them and become the actions â. Minimised is

    |â - a|, a mean over components and the steps of the episode, + β KL(q(z | a, s) ‖ N(0, I)),

with the divergence summed over the components of z, in nats. To act, z = 0. Predictions of
overlapping chunks are averaged by the actor, see ``ActorSettings.ensemble``.

Source: Zhao et al. 2023, "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware"
(arXiv:2304.13705), section IV and appendix C. Departures:

1. The scale of β: an error that is a mean over chunk and components does not grow with
   them, while the divergence is a sum. The paper's β = 10 makes z vanish where actions
   vary little; the default is 0.1. The log has the divergence, ``kl``, and the number of
   components of z that are in use, ``active_units``.
2. The task embedding is a token; the paper has a policy for each task. State features are
   tokens as well, which attend to z: in the published code z is not read without images.
3. A query attends in one layer to the other queries and to what was encoded. There is
   one such block by default: the published code has seven, and reads the first.
4. Padding counts neither in the error nor among the keys; in the published code it enters
   the mean of the error.
5. Blocks are normalised before and not after, and have no dropout.
6. Validation scores what acts: z = 0, without the divergence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HeadConfig, action_head, masked_mean
from robomtl.layers.attention import Attended, Block, check_heads
from robomtl.layers.observation_tokens import (
    GoalTokens,
    ObservationTokens,
    observation_tokens,
    task_tokens,
)
from robomtl.policy import EMBODIMENT, Batch, Loss, Memory, Policy, Spec, task_layer
from robomtl.ranges import check_not_negative, check_sizes

_ACTIVE = 0.01  # Nats from which on a component of z counts as in use.


@dataclass(frozen=True, kw_only=True)
class ActConfig:
    """Sizes of the ``act`` policy."""

    chunk: int = 10
    """Number of actions predicted at once."""
    width: int = 256
    """Length of a token."""
    heads: int = 4
    """Attention heads of each block, which share the width."""
    chunk_blocks: int = 1
    """Blocks that encode a demonstrated chunk to z."""
    blocks: int = 3
    """Blocks that encode the observation."""
    query_blocks: int = 1
    """Blocks that turn queries into actions."""
    latent: int = 32
    """Length of z."""
    beta: float = 0.1
    """Weight of the divergence of z from a standard Gaussian."""
    image_tokens: int = 8
    """Number of tokens of an image."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, beta is negative, or the heads do not
                share the width.
        """
        check_sizes(self, "beta")
        check_not_negative(self, "beta")
        check_heads(self.width, self.heads)


class Latent(NamedTuple):
    """A Gaussian over z with a diagonal covariance."""

    mean: Tensor
    """(batch, latent)."""
    log_variance: Tensor
    """(batch, latent)."""

    def sample(self) -> Tensor:
        """A draw, which gradients go through; (batch, latent)."""
        noise = torch.randn_like(self.mean)
        return self.mean + (0.5 * self.log_variance).exp() * noise

    def divergence(self) -> Tensor:
        """KL from a standard Gaussian of each component, in nats; (batch, latent)."""
        square = self.mean.square() + self.log_variance.exp()
        return 0.5 * (square - 1 - self.log_variance)


class ChunkEncoder(nn.Module):
    """Encodes a demonstrated chunk, and the state where it begins, to z.

    Args:
        config: Sizes.
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
        """What a chunk says of z.

        Args:
            state: Standardised; (batch, state).
            action: (batch, chunk, action).
            mask: Which actions lie within the episode, 1 or 0; (batch, chunk).
        """
        first = self.first.expand(len(state), -1, -1)
        actions = self.action(action * mask[..., None]) + self.position
        tokens = torch.cat([first, self.state(state)[:, None], actions], dim=1)
        seen = functional.pad(mask > 0, (2, 0), value=True)[:, None, None]
        for block in self.blocks:
            tokens = cast(Block, block).among(tokens, seen)
        mean, log_variance = self.last(self.norm(tokens[:, 0])).float().chunk(2, dim=-1)
        return Latent(mean, log_variance)


class Act(Policy):
    """Predicts chunks of actions from tokens, and in training from a code of the chunk."""

    Config = ActConfig

    def __init__(self, config: ActConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        width = config.width
        self.encoder = task_layer(spec.embedding, width)
        self.chunk_encoder = ChunkEncoder(
            config, state=spec.places[-1].stop, action=sum(spec.actions)
        )
        self.latent = nn.Linear(config.latent, width)
        self.kind = nn.Parameter(0.02 * torch.randn(2, width))  # Of z and of the task.
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
        self.head = action_head(width, HeadConfig(loss="l1"), spec)  # Of one step.

    def loss(self, batch: Batch) -> Loss:
        """The error and the divergence of each sample; see ``Policy``."""
        if not self.training:  # Departure 6.
            error = self._error(batch, self._prior(batch.task_embedding))
            return Loss(error, {"action_error": error.detach().mean()})
        found = self._encoded(batch)
        error, divergence = self._error(batch, found.sample()), found.divergence()
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
        """The chunk at z = 0; see ``Policy``."""
        prior = self._prior(task_embedding)
        predicted = self._predicted(observation, task_embedding, prior)
        return predicted.clamp(-1.0, 1.0), memory

    def _prior(self, task_embedding: Tensor) -> Tensor:
        """The mean of z; (batch, latent)."""
        rows = len(task_embedding)
        return torch.zeros(rows, self.config.latent, device=task_embedding.device)

    def _encoded(self, batch: Batch) -> Latent:
        """What the demonstrated chunks say of z."""
        state = self.normaliser(self.observer.spread(batch.observation))
        if self.spec.history > 1:
            state = state[:, -1]
        action = self.head.scattered(batch.action, batch.observation.get(EMBODIMENT))
        found: Latent = self.chunk_encoder(state, action, batch.mask)
        return found

    def _error(self, batch: Batch, latent: Tensor) -> Tensor:
        """The absolute error of each sample; (batch,)."""
        predicted = self._predicted(batch.observation, batch.task_embedding, latent)
        has = self.head.has(batch.observation.get(EMBODIMENT))
        return masked_mean((predicted - batch.action).abs(), batch.mask, has)

    def _predicted(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor, latent: Tensor
    ) -> Tensor:
        """The actions, not clipped to bounds; (batch, chunk, action)."""
        tokens, seen = self._tokens(observation, task_embedding, latent)
        for block in cast(Sequence[Block], self.trunk):
            tokens = block.among(tokens, seen)
        queries = self.query.expand(len(tokens), -1, -1)
        if seen is not None:
            seen = functional.pad(seen, (0, len(self.query)), value=True)
        for block in cast(Sequence[Block], self.decoder):  # Departure 3.
            beside = torch.cat([tokens, queries], dim=1)
            attended = Attended(*block.keys_and_values(beside), seen)
            queries = block(queries, attended)
        predicted: Tensor = self.head.linear(self.norm(queries)).float()
        return self.head.gathered(predicted, observation.get(EMBODIMENT))

    def _tokens(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor, latent: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens of z, the task and the observation, and which of them are there.

        Returns:
            (batch, token, width), and (batch, 1, 1, token), or None where all are.
        """
        seen = observation_tokens(self, self.stem, observation, task_embedding)
        task = task_tokens(self, observation, task_embedding)
        given = torch.stack([self.latent(latent), task.values[:, 0]], dim=1)
        observed = rearrange(
            seen.values + self.time, "batch time token x -> batch (time token) x"
        )
        goals = task.values[:, 1:]
        tokens = torch.cat([given + self.kind, goals, observed], dim=1)
        if len(self.spec.embodiments) == 1 and self.goals is None:
            return tokens, None
        there = [task.there[:, 1:], seen.there.repeat(1, self.spec.history)]
        every = functional.pad(torch.cat(there, dim=1), (2, 0), value=True)
        return tokens, every[:, None, None]
