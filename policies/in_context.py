"""In-context imitation: a transformer with the demonstrations of the task as its prompt.

Every subsampled step of every demonstration is a token of state, action and progress. The
current observation, together with the encoded conditioning, is a query token that attends
to all of them; the head predicts actions from the result. A new task needs no training:
its demonstrations become the prompt.

Source: Fu et al. 2024, "In-Context Imitation Learning via Next-Token Prediction" (ICRT,
arXiv:2408.15980), and Xu et al. 2022, "Prompting Decision Transformer"
(arXiv:2206.13499), with pre-normalised blocks. Departures:

1. Tokens of a demonstration attend to those of the same demonstration only, a query to all
   demonstrations. Demonstrations therefore have no order or index, masking one does not
   affect the others, their number may vary, and the keys and values of a prompt are
   computed only once.
2. A query is one token, the current observation, since the experts act on it alone. It
   does not attend to itself, as the residual stream contains it. A key and a value of
   zeros precede the prompt, so that a query may attend to nothing, in particular if the
   prompt is empty.
3. State and action of a step form one token, whose position is encoded by its progress.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HeadConfig, action_head
from robomtl.layers.attention import Attended, Block, check_heads
from robomtl.layers.initial_projections import init_equal_columns
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
    """Attention heads of each block; they divide the width."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, or the heads do not divide the width.
        """
        super().__post_init__()
        check_heads(self.width, self.heads)


class InContextTransformer(PromptedPolicy):
    """Imitates the demonstrations in its prompt; see the module."""

    Config = InContextConfig

    def __init__(self, config: InContextConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.check(spec)
        self.encoder = task_layer(spec.embedding, config.width)
        self.stem = nn.Linear(spec.inputs, config.width)
        self.prompt = nn.Linear(spec.inputs + spec.action + 1, config.width)
        for layer in (self.stem, self.prompt):
            init_equal_columns(layer, spec)
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
        """Features from which the head predicts, given the prompt; (batch, width)."""
        attended = self.attended(self.prompt_context())
        return self._features(observation, task_embedding, attended)

    def prompted_loss(self, batch: Batch, context: Context) -> Loss:
        """Loss of each sample with the demonstrations of its task as the prompt.

        Args:
            batch: Samples sorted by task, equally many of each.
            context: Demonstrations of each of these tasks.
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
        """Chunk predicted by the head; see ``Policy``.

        The memory keeps the keys and values of the prompt, which all rows share.
        """
        if memory is None:
            memory = _kept(self.attended(self.prompt_context()), len(task_embedding))
        features = self._features(observation, task_embedding, _attended(memory))
        return self.head(features, observation.get(EMBODIMENT)), memory

    def attended(self, context: Context) -> list[Attended]:
        """Keys and values for queries in each block: zeros, then those of all steps.

        Args:
            context: Demonstrations of some tasks.
        """
        shape = context.progress.shape
        steps = torch.cat(
            [
                self.observed_steps(context),
                context.action,
                context.progress[..., None],
            ],
            dim=-1,
        )
        present = context.mask.flatten().nonzero()[
            :, 0
        ]  # Masked ones are not computed.
        steps = rearrange(steps, "task shot time x -> (task shot) time x")[present]
        tokens = self.prompt(steps)
        mask = repeat(
            context.mask > 0, "task shot -> task 1 1 (shot time)", time=shape[2]
        )
        mask = functional.pad(mask, (1, 0), value=True)
        blocks = []
        for block in cast(Sequence[Block], self.trunk):
            keys, values = block.keys_and_values(tokens)
            placed = [_joined(part, present, shape) for part in (keys, values)]
            blocks.append(Attended(placed[0], placed[1], mask))
            if len(blocks) < len(self.trunk):  # The last block's tokens are not used.
                tokens = block(tokens, Attended(keys, values, None))
        return blocks

    def _features(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        attended: Sequence[Attended],
    ) -> Tensor:
        """Features of a batch sorted by task; (batch, width).

        Args:
            observation: Equally many rows of each task.
            task_embedding: (batch, embedding).
            attended: Result of ``attended`` for these tasks.
        """
        query = self.stem(self.observed(observation, task_embedding))
        query = query + self.encoder(task_embedding)
        tasks = len(attended[0].keys)
        tokens = rearrange(query, "(task n) width -> task n width", task=tasks)
        for block, context in zip(self.trunk, attended, strict=True):
            tokens = block(tokens, context)
        features: Tensor = self.norm(
            rearrange(tokens, "task n width -> (task n) width")
        )
        return features


def _joined(parts: Tensor, present: Tensor, shape: Sequence[int]) -> Tensor:
    """Keys or values of all demonstrations of each task, after one position of zeros.

    Args:
        parts: Keys or values of the unmasked shots; (present, head, time, head width).
        present: Indices of these shots among all shots of all tasks; (present,).
        shape: Number of tasks, shots and steps.

    Returns:
        Shape (task, head, 1 + shot · time, head width).
    """
    tasks, shots, _ = shape
    placed = parts.new_zeros(tasks * shots, *parts.shape[1:])
    joined = rearrange(
        placed.index_copy(0, present, parts),
        "(task shot) head time part -> task head (shot time) part",
        task=tasks,
        shot=shots,
    )
    return functional.pad(joined, (0, 0, 1, 0))  # Departure 2.


def _kept(attended: Sequence[Attended], rows: int) -> Memory:
    """Memory of a prompt's keys and values, repeated as views for each row of a batch."""
    joined = {
        name: torch.stack([getattr(each, name)[0] for each in attended])
        for name in ("keys", "values")
    }
    return Memory(
        {name: repeat(it, "... -> row ...", row=rows) for name, it in joined.items()}
    )


def _attended(memory: Memory) -> list[Attended]:
    """Keys and values of the prompt from a memory of ``_kept``, whose rows are equal."""
    keys, values = (memory.tensors[name][:1] for name in ("keys", "values"))
    return [
        Attended(k, v, None)
        for k, v in zip(keys.unbind(1), values.unbind(1), strict=True)
    ]
