"""Retrieval in context: acts by the steps of the demonstrations that are nearest to here.

The steps of the prompt nearest to an observation are retrieved; each is a token of the action
taken there, its progress, and how far the observation is from it. A query attends to these
tokens alone, and its features hold a mean of the retrieved actions beside. The network never
sees where things are, only how far they are from where they were, so that what it learns is to
copy and correct, in families of tasks that it never saw as in those it was trained on.

Source: Sridhar et al. 2024, "REGENT: A Retrieval-Augmented Generalist Agent That Can Act
In-Context in New Environments" (arXiv:2412.04759, section 4). Its action is

    a = w a_1 + (1 - w) a_θ,    w = exp(-λ d(s, s_1)),

where a_1 was taken at the nearest step s_1. Departures:

1. Tokens are of differences from the query, not of states, and neighbours have no order.
2. The loss is that of a_θ alone; λ mixes actions where the policy acts, and is 0 by default.
3. d is the Euclidean distance between what steps are compared by: the standardised state;
   or, where a config names ``positions``, where things are from each other, on a scale that
   is logarithmic beyond ``near``, so that being 1 cm off counts where a hand touches what it
   moves and not where it is far away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import action_head
from robomtl.features import STATE
from robomtl.layers.attention import Attended, Block, check_heads
from robomtl.policies.prompted import PromptedPolicy, empty_prompt
from robomtl.policies.regent_compared import Compared, ComparedConfig
from robomtl.policy import EMBODIMENT, Batch, Context, Loss, Memory, Spec, task_layer
from robomtl.ranges import check_not_negative
from robomtl.spec import check_vectors

_FALLING = 2.0  # With which weights of retrieved actions begin to fall with distance.


@dataclass(frozen=True, kw_only=True)
class RegentConfig(ComparedConfig):
    """Sizes and loss of the ``regent`` policy."""

    width: int = 96
    """Length of a token."""
    blocks: int = 2
    """Number of transformer blocks."""
    heads: int = 4
    """Attention heads of each, which share the width."""
    neighbours: int = 8
    """Number of retrieved steps; all where there are fewer."""
    copying: float = 0.0
    """λ: how fast the weight of the nearest step's own action falls with its distance. 0
    for the predicted action alone."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, ``copying`` is negative, or the heads
                do not share the width; see also ``ComparedConfig``.
        """
        super().__post_init__()
        check_not_negative(self, "copying")
        check_heads(self.width, self.heads)


class Nearest(NamedTuple):
    """The steps nearest to some queries, the nearest first."""

    difference: Tensor
    """What is seen of the query minus that of the step; (task, query, neighbour, seen)."""
    action: Tensor
    """The action taken there; (task, query, neighbour, action)."""
    progress: Tensor
    """(task, query, neighbour)."""
    distance: Tensor
    """(task, query, neighbour); infinite for steps that are not there."""


class Regent(PromptedPolicy):
    """Copies and corrects the nearest steps of a prompt; see the module."""

    Config = RegentConfig

    def __init__(self, config: RegentConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.check(spec)
        width = config.width
        self.compared = Compared(config, spec)
        self.encoder = task_layer(spec.embedding, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.token = nn.Sequential(
            nn.Linear(self.compared.seen + spec.action + 1, width),
            nn.GELU(),
            nn.Linear(width, width),
        )
        self.copy = nn.Linear(spec.action, width, bias=False)
        self.score = nn.Linear(width, 1)
        self.falling = nn.Parameter(torch.tensor(_FALLING))
        self.trunk = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.head = action_head(width, config, spec)
        self._begin_by_copying(spec.actions)
        self.remembered = empty_prompt(spec)

    @classmethod
    def check(cls, spec: Spec) -> None:
        """Refuses images and histories; see ``Policy``."""
        check_vectors(spec, "regent", ["film", "mlp"])

    def _begin_by_copying(self, actions: Sequence[int]) -> None:
        """Lets predictions be copies at first, where the head's outputs are actions.

        Args:
            actions: Lengths of the robots' actions.
        """
        nn.init.orthogonal_(self.copy.weight)
        nn.init.zeros_(self.norm.weight)
        if self.head.solvable:
            with torch.no_grad():
                self.head.linear.weight[: sum(actions)] = torch.cat(
                    [self.copy.weight[:, :size].mT for size in actions]
                )
                self.head.linear.bias[: sum(actions)] = 0

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts, under the prompt; (batch, width)."""
        found = self.retrieved(observation, self.prompt_context())
        return self._features(task_embedding, found)

    def prompted_loss(self, batch: Batch, context: Context) -> Loss:
        """The loss of each sample under the demonstrations of its task.

        Args:
            batch: Sorted by task, equally many samples of each.
            context: The demonstrations of each of these tasks.
        """
        found = self.retrieved(batch.observation, context)
        return self.head.loss(self._features(batch.task_embedding, found), batch)

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """The head's chunk, whose first action is mixed with the nearest step's."""
        found = self.retrieved(observation, self.prompt_context())
        features = self._features(task_embedding, found)
        chunk = self.head(features, observation.get(EMBODIMENT))
        if self.config.copying and found.distance.shape[-1]:
            weight = torch.exp(-self.config.copying * found.distance[0, :, :1])
            mixed = weight * found.action[0, :, 0] + (1 - weight) * chunk[:, 0]
            chunk = torch.cat([mixed[:, None], chunk[:, 1:]], dim=1)
        return chunk, memory

    def retrieved(self, observation: Mapping[str, Tensor], context: Context) -> Nearest:
        """The nearest steps of each task's demonstrations.

        Args:
            observation: Sorted by task, equally many of each.
            context: The demonstrations of each of these tasks.
        """
        query = rearrange(
            self.compared(observation[STATE], self.observed(observation)),
            "(task n) x -> task n x",
            task=len(context.mask),
        )
        state, action = (
            rearrange(part, "task shot time x -> task (shot time) x")
            for part in (
                self.compared(context.state, self.observed_steps(context)),
                context.action,
            )
        )
        there = repeat(
            context.mask > 0,
            "task shot -> task 1 (shot time)",
            time=context.progress.shape[-1],
        )
        state[..., self.compared.code] = 0  # So that the difference holds it.
        size = self.compared.key
        # By matrix products, distances would depend on the other rows of a batch.
        distance = torch.cdist(
            query[..., :size].float(),
            state[..., :size].float(),
            compute_mode="donot_use_mm_for_euclid_dist",
        ).masked_fill(~there, torch.inf)
        count = min(self.config.neighbours, distance.shape[-1])
        near = distance.topk(count, dim=-1, largest=False)
        task = torch.arange(len(query), device=query.device)[:, None, None]
        return Nearest(
            difference=query[:, :, None] - state[task, near.indices],
            action=action[task, near.indices],
            progress=context.progress.flatten(1)[task, near.indices],
            distance=near.values,
        )

    def _features(self, task_embedding: Tensor, found: Nearest) -> Tensor:
        """From what was retrieved for each query; (batch, width)."""
        steps = [found.difference, found.action, found.progress[..., None]]
        tokens = rearrange(
            self.token(torch.cat(steps, dim=-1)), "task n step x -> (task n) step x"
        )
        distance = rearrange(found.distance, "task n step -> (task n) step")
        there = distance.isfinite()
        query = (self.start + self.encoder(task_embedding))[:, None]
        mask = functional.pad(there, (1, 0), value=True)[:, None, None]
        for block in self.trunk:
            assert isinstance(block, Block)
            # Zeros stand before the neighbours, so that a query may attend to nothing.
            keys, values = (
                functional.pad(part, (0, 0, 1, 0))
                for part in block.keys_and_values(tokens)
            )
            query = block(query, Attended(keys, values, mask))
        scores = self.score(tokens)[..., 0] - self.falling * distance.where(there, 0)
        weights = scores.masked_fill(~there, -torch.inf).softmax(-1).nan_to_num()
        actions = rearrange(found.action, "task n step x -> (task n) step x")
        copied = torch.einsum("bs,bsx->bx", weights, actions)
        features: Tensor = self.norm(query[:, 0]) + self.copy(copied)
        return features
