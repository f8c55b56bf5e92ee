"""A transformer whose prompt is the demonstrations of the task themselves.

Every subsampled step of every demonstration is a token of state, action and progress; a
query token is the current observation, conditioned as the policy is, and reads its
actions off after it has attended to all of them. Nothing is inferred or trained for a new
task: its demonstrations become the prompt.

Source: Fu et al. 2024, "In-Context Imitation Learning via Next-Token Prediction" (ICRT,
arXiv:2408.15980), and Xu et al. 2022, "Prompting Decision Transformer"
(arXiv:2206.13499), with pre-normalised blocks. Departures:

1. Tokens of a demonstration attend to those of the same demonstration, a query to all of
   them: so demonstrations have no order and need no index, one that is masked leaves the
   others alone, any number may come, and the keys and values of a prompt are computed once.
2. A query is one token, the current observation: the experts act on it alone. It does not
   attend to itself, which its residual stream holds; a key and value of zeros precedes
   the prompt, so that it may attend to nothing, and finds nothing where there is no prompt.
3. State and action of a step are one token, and its place in the episode is its progress.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HeadConfig, action_head
from robomtl.layers.alike import begin_alike
from robomtl.layers.attention import Attended, Block, check_heads
from robomtl.policies.prompted import PromptedPolicy, empty_prompt
from robomtl.policy import EMBODIMENT, Batch, Context, Loss, Memory, Spec, task_layer
from robomtl.spec import check_vectors


@dataclass(frozen=True, kw_only=True)
class InContextConfig(HeadConfig):
    """Sizes and loss of the ``in_context`` policy."""

    width: int = 128
    """Length of a token."""
    blocks: int = 4
    """Number of transformer blocks."""
    heads: int = 4
    """Attention heads of each, which share the width."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, or the heads do not share the width.
        """
        super().__post_init__()
        check_heads(self.width, self.heads)


class InContextTransformer(PromptedPolicy):
    """Reads its task off a prompt of demonstrations; see the module."""

    Config = InContextConfig

    def __init__(self, config: InContextConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.check(spec)
        self.encoder = task_layer(spec.embedding, config.width)
        self.stem = nn.Linear(spec.inputs, config.width)
        self.prompt = nn.Linear(spec.inputs + spec.action + 1, config.width)
        for layer in (self.stem, self.prompt):
            begin_alike(layer, spec)
        self.trunk = nn.ModuleList(
            Block(config.width, config.heads) for _ in range(config.blocks)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = action_head(config.width, config, spec)
        self.remembered = empty_prompt(spec)

    @classmethod
    def check(cls, spec: Spec) -> None:
        """Refuses images and histories; see ``Policy``."""
        check_vectors(spec, "in_context", ["film", "mlp"])

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts, under the prompt; (batch, width)."""
        attended = self.attended(self.prompt_context())
        return self._features(observation, task_embedding, attended)

    def prompted_loss(self, batch: Batch, context: Context) -> Loss:
        """The loss of each sample under the demonstrations of its task.

        Args:
            batch: Sorted by task, equally many samples of each.
            context: The demonstrations of each of these tasks.
        """
        features = self._features(
            batch.observation, batch.task_embedding, self.attended(context)
        )
        return self.head.loss(features, batch)

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """The head's chunk; see ``Policy``.

        Keys and values of the prompt are kept for the trial; all rows have the same.
        """
        if memory is None:
            memory = _kept(self.attended(self.prompt_context()), len(task_embedding))
        features = self._features(observation, task_embedding, _attended(memory))
        return self.head(features, observation.get(EMBODIMENT)), memory

    def attended(self, context: Context) -> list[Attended]:
        """What queries attend to in each block: nothing, then all demonstrations."""
        shape = context.progress.shape
        steps = torch.cat(
            [
                self.observed_steps(context),
                context.action,
                context.progress[..., None],
            ],
            dim=-1,
        )
        there = context.mask.flatten().nonzero()[:, 0]  # Others cost nothing.
        steps = rearrange(steps, "task shot time x -> (task shot) time x")[there]
        tokens = self.prompt(steps)
        mask = repeat(
            context.mask > 0, "task shot -> task 1 1 (shot time)", time=shape[2]
        )
        mask = functional.pad(mask, (1, 0), value=True)
        blocks = []
        for block in cast(Sequence[Block], self.trunk):
            keys, values = block.keys_and_values(tokens)
            placed = [_joined(part, there, shape) for part in (keys, values)]
            blocks.append(Attended(placed[0], placed[1], mask))
            if len(blocks) < len(self.trunk):  # No one reads the tokens of the last.
                tokens = block(tokens, Attended(keys, values, None))
        return blocks

    def _features(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        attended: Sequence[Attended],
    ) -> Tensor:
        """(batch, width), for a batch sorted by the tasks of what is attended to."""
        query = self.stem(self.observed(observation, task_embedding))
        query = query + self.encoder(task_embedding)
        tasks = len(attended[0].keys)
        tokens = rearrange(query, "(task n) width -> task n width", task=tasks)
        for block, seen in zip(self.trunk, attended, strict=True):
            tokens = block(tokens, seen)
        features: Tensor = self.norm(
            rearrange(tokens, "task n width -> (task n) width")
        )
        return features


def _joined(parts: Tensor, there: Tensor, shape: Sequence[int]) -> Tensor:
    """All demonstrations of a task side by side, zeros before them.

    Args:
        parts: Keys or values of those that are there; (there, head, time, part).
        there: Their places among all shots of all tasks; (there,).
        shape: Number of tasks, shots and steps.

    Returns:
        Shape (task, head, 1 + shot · time, part).
    """
    tasks, shots, _ = shape
    placed = parts.new_zeros(tasks * shots, *parts.shape[1:])
    joined = rearrange(
        placed.index_copy(0, there, parts),
        "(task shot) head time part -> task head (shot time) part",
        task=tasks,
        shot=shots,
    )
    return functional.pad(joined, (0, 0, 1, 0))  # Departure 2.


def _kept(attended: Sequence[Attended], rows: int) -> Memory:
    """The keys and values of a prompt, as views, for each row of a batch."""
    joined = {
        name: torch.stack([getattr(each, name)[0] for each in attended])
        for name in ("keys", "values")
    }
    return Memory(
        {name: repeat(it, "... -> row ...", row=rows) for name, it in joined.items()}
    )


def _attended(memory: Memory) -> list[Attended]:
    """What ``_kept`` was given; of the first row, as all have the same."""
    keys, values = (memory.tensors[name][:1] for name in ("keys", "values"))
    return [
        Attended(k, v, None)
        for k, v in zip(keys.unbind(1), values.unbind(1), strict=True)
    ]
