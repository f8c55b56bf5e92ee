"""REGENT: a transformer over retrieved steps of the demonstrations in its prompt.

The steps of the prompt nearest to the observation are retrieved. Each is a token of its
action, its progress and the difference of the observation from it. A query attends to these
tokens only, and a weighted mean of the retrieved actions is added to its features. The network
reads no absolute positions, only differences from the retrieved steps: it learns to copy and
correct their actions, which carries over to families of tasks outside the training set.

Source: Sridhar et al. 2024, "REGENT: A Retrieval-Augmented Generalist Agent That Can Act
In-Context in New Environments" (arXiv:2412.04759, section 4). Its action is

    a = w a_1 + (1 - w) a_θ,    w = exp(-λ d(s, s_1)),

where a_1 is the action of the nearest step s_1. Departures:

1. Tokens contain differences from the query, not states, and neighbours have no order.
2. The loss is that of a_θ alone; mixing is used only to act, and λ is 0 by default.
3. d is the Euclidean distance of keys: of the standardised states; or, if the config names
   ``positions``, of the displacements between objects, on a scale that is logarithmic
   beyond ``near``, so that an error of 1 cm matters when the hand is at an object but not
   when it is far away.
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

# Initial rate at which the weights of retrieved actions fall with distance.
_FALLING = 2.0


@dataclass(frozen=True, kw_only=True)
class RegentConfig(ComparedConfig):
    """Sizes and loss of the ``regent`` policy."""

    width: int = 96
    """Length of a token."""
    blocks: int = 2
    """Number of transformer blocks."""
    heads: int = 4
    """Attention heads of each block; they divide the width."""
    neighbours: int = 8
    """Number of retrieved steps; all steps if there are fewer."""
    copying: float = 0.0
    """Rate λ at which the weight exp(-λ · distance) of the nearest step's action falls; 0
    to use the predicted action alone."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, ``copying`` is negative, or the heads
                do not divide the width; see also ``ComparedConfig``.
        """
        super().__post_init__()
        check_not_negative(self, "copying")
        check_heads(self.width, self.heads)


class Nearest(NamedTuple):
    """Retrieved steps of each query, the nearest first."""

    difference: Tensor
    """Features of the query minus those of the step; (task, query, neighbour, feature)."""
    action: Tensor
    """Action of the step; (task, query, neighbour, action)."""
    progress: Tensor
    """Progress of the step in its episode; (task, query, neighbour)."""
    distance: Tensor
    """Distance of query and step; infinite for masked steps; (task, query, neighbour)."""


class Regent(PromptedPolicy):
    """Copies and corrects the actions of the nearest steps of a prompt; see the module."""

    Config = RegentConfig

    def __init__(self, config: RegentConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.check(spec)
        width = config.width
        self.compared = Compared(config, spec)
        self.encoder = task_layer(spec.embedding, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.token = nn.Sequential(
            nn.Linear(self.compared.size + spec.action + 1, width),
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
        """Initialises the head so that predictions copy the retrieved actions.

        Applies to heads whose outputs are actions (``solvable``).

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
        """Features from which the head predicts, given the prompt; (batch, width)."""
        nearest = self.retrieved(observation, self.prompt_context())
        return self._features(task_embedding, nearest)

    def prompted_loss(self, batch: Batch, context: Context) -> Loss:
        """Loss of each sample with the demonstrations of its task as the prompt.

        Args:
            batch: Samples sorted by task, equally many of each.
            context: Demonstrations of each of these tasks.
        """
        nearest = self.retrieved(batch.observation, context)
        return self.head.loss(self._features(batch.task_embedding, nearest), batch)

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """Chunk predicted by the head; see ``Policy``.

        If ``copying`` is positive, its first action is mixed with the nearest step's.
        """
        nearest = self.retrieved(observation, self.prompt_context())
        features = self._features(task_embedding, nearest)
        chunk = self.head(features, observation.get(EMBODIMENT))
        if self.config.copying and nearest.distance.shape[-1]:
            weight = torch.exp(-self.config.copying * nearest.distance[0, :, :1])
            mixed = weight * nearest.action[0, :, 0] + (1 - weight) * chunk[:, 0]
            chunk = torch.cat([mixed[:, None], chunk[:, 1:]], dim=1)
        return chunk, memory

    def retrieved(self, observation: Mapping[str, Tensor], context: Context) -> Nearest:
        """Steps of each task's demonstrations that are nearest to each observation.

        Args:
            observation: Observations sorted by task, equally many of each.
            context: Demonstrations of each of these tasks.
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
        present = repeat(
            context.mask > 0,
            "task shot -> task 1 (shot time)",
            time=context.progress.shape[-1],
        )
        # So that the difference contains the one-hot code of the query's robot.
        state[..., self.compared.code] = 0
        size = self.compared.key
        # Computed by matrix products, distances would depend on other rows of a batch.
        distance = torch.cdist(
            query[..., :size].float(),
            state[..., :size].float(),
            compute_mode="donot_use_mm_for_euclid_dist",
        ).masked_fill(~present, torch.inf)
        count = min(self.config.neighbours, distance.shape[-1])
        near = distance.topk(count, dim=-1, largest=False)
        task = torch.arange(len(query), device=query.device)[:, None, None]
        return Nearest(
            difference=query[:, :, None] - state[task, near.indices],
            action=action[task, near.indices],
            progress=context.progress.flatten(1)[task, near.indices],
            distance=near.values,
        )

    def _features(self, task_embedding: Tensor, nearest: Nearest) -> Tensor:
        """Features of each query, from its retrieved steps; (batch, width)."""
        steps = [nearest.difference, nearest.action, nearest.progress[..., None]]
        tokens = rearrange(
            self.token(torch.cat(steps, dim=-1)), "task n step x -> (task n) step x"
        )
        distance = rearrange(nearest.distance, "task n step -> (task n) step")
        present = distance.isfinite()
        query = (self.start + self.encoder(task_embedding))[:, None]
        mask = functional.pad(present, (1, 0), value=True)[:, None, None]
        for block in self.trunk:
            assert isinstance(block, Block)
            # A key and a value of zeros come first, so that a query may attend to nothing.
            keys, values = (
                functional.pad(part, (0, 0, 1, 0))
                for part in block.keys_and_values(tokens)
            )
            query = block(query, Attended(keys, values, mask))
        scores = self.score(tokens)[..., 0] - self.falling * distance.where(present, 0)
        weights = scores.masked_fill(~present, -torch.inf).softmax(-1).nan_to_num()
        actions = rearrange(nearest.action, "task n step x -> (task n) step x")
        copied = torch.einsum("bs,bsx->bx", weights, actions)
        features: Tensor = self.norm(query[:, 0]) + self.copy(copied)
        return features
