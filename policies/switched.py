"""Two policies of one architecture, selected by the instruction.

Adaptation methods that keep the behaviour on the training tasks create it: ``base`` is the
original policy, ``changed`` the one adapted to a new task. The changed policy acts in trials
whose instruction is nearer to the wordings of the new task than to all others, the base policy
in all other trials. An action depends on its own row of a batch only, and is bit-identical to
that of the selected policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from robomtl.layers.remembered import Remembered
from robomtl.policy import POLICIES, Batch, Loss, Memory, Policy, Spec


@dataclass(frozen=True, kw_only=True)
class SwitchedConfig:
    """Architecture of the two policies."""

    base: str = "film"
    """Registered name of the architecture."""
    base_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the architecture's config that differ from the defaults."""


class Switched(Policy):
    """The original policy, and an adapted one for the wordings of a new task.

    Without stored wordings the adapted policy always acts.
    """

    Config = SwitchedConfig
    trainable: ClassVar[bool] = False

    def __init__(self, config: SwitchedConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.observer.images.clear()  # Each of the two policies has its own encoders.
        self.observer.task = None
        architecture = POLICIES.get(config.base)
        made = architecture.Config(**config.base_config)
        self.base = architecture(made, spec)
        self.changed = architecture(made, spec)
        self.wordings = Remembered(
            {"new": torch.zeros(0, 0), "others": torch.zeros(0, 0)},
            axes={"new": "new words", "others": "other words"},
        )

    @property
    def chunk(self) -> int:
        """Number of actions predicted at once."""
        return self.base.chunk

    def changes(self, task_embedding: Tensor) -> Tensor:
        """True for rows in which the changed policy acts; (batch, embedding) -> (batch,).

        These are rows whose greatest cosine similarity with a wording of the new task
        exceeds that with every other wording; all rows if there are no others.
        """
        new, others = self.wordings["new"], self.wordings["others"]
        if not len(others):
            return task_embedding.new_ones(len(task_embedding), dtype=torch.bool)
        words = self._words(task_embedding)
        return (words @ new.T).amax(1) > (words @ others.T).amax(1)

    def loss(self, batch: Batch) -> Loss:
        """Loss of the policy that acts in each row; no metrics if both act."""
        changes = self.changes(batch.task_embedding)
        if changes.all():
            return self.changed.loss(batch)
        if not changes.any():
            return self.base.loss(batch)
        pair = self.changed.loss(batch).per_sample, self.base.loss(batch).per_sample
        return Loss(torch.where(changes, *pair), {})

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """Chunk of the policy that acts in each row; see ``Policy``.

        A policy that acts in some rows computes all rows, since matrix products of another
        shape may round differently. The selection is kept in the memory until the
        instruction changes.
        """
        words = self._words(task_embedding)
        if memory is None or not memory.tensors["words"].equal(words):
            changes = self.changes(task_embedding)
        else:
            changes = memory.tensors["changes"]
        acting = {"base": not changes.all(), "changed": bool(changes.any())}
        chunks: dict[str, Tensor] = {}
        kept = {"words": words, "changes": changes}
        for name in [name for name, acts in acting.items() if acts]:
            policy: Policy = getattr(self, name)
            chunks[name], after = policy.act(
                observation, task_embedding, _part(memory, name)
            )
            kept |= _named(after, name)
        if len(chunks) == 1:
            chunk = next(iter(chunks.values()))
        else:
            chosen = changes[:, None, None]
            chunk = torch.where(chosen, chunks["changed"], chunks["base"])
        return chunk, Memory(kept)

    def _words(self, task_embedding: Tensor) -> Tensor:
        """Language embeddings, the first columns of task embeddings; (batch, language)."""
        return task_embedding[:, : self.wordings["new"].shape[1]]


def _part(memory: Memory | None, name: str) -> Memory | None:
    """Memory of one of the two policies; None if it has none."""
    tensors = {
        key.removeprefix(f"{name}."): tensor
        for key, tensor in (memory.tensors if memory else {}).items()
        if key.startswith(f"{name}.")
    }
    return Memory(tensors) if tensors else None


def _named(memory: Memory | None, name: str) -> dict[str, Tensor]:
    """Tensors of a policy's memory, with the policy's name as prefix."""
    tensors = memory.tensors if memory else {}
    return {f"{name}.{key}": tensor for key, tensor in tensors.items()}
