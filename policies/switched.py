"""Two policies of one architecture, of which the instruction decides who acts.

Methods that leave the old tasks as they are make it: one policy is the old one, the other
was adapted to a new task. A trial with a wording nearer to those of the new task than to
all others is acted in by the changed one, any other by the base. An action depends on its
own row alone, and is bit for bit that of the policy which acts in it.
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
    """Its registered name."""
    base_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that differ from the defaults."""


class Switched(Policy):
    """Made by adaptation: a policy, and a changed one for the wordings of a new task.

    A fresh one knows no wordings, and its changed policy always acts.
    """

    Config = SwitchedConfig
    trainable: ClassVar[bool] = False

    def __init__(self, config: SwitchedConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.observer.images.clear()  # Each of the two encodes images by its own.
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
        """In which rows the changed policy acts; (batch, embedding) -> (batch,).

        Where the greatest cosine with a wording of the new task is above that with any
        other; everywhere if there is no other.
        """
        new, others = self.wordings["new"], self.wordings["others"]
        if not len(others):
            return task_embedding.new_ones(len(task_embedding), dtype=torch.bool)
        words = self._words(task_embedding)
        return (words @ new.T).amax(1) > (words @ others.T).amax(1)

    def loss(self, batch: Batch) -> Loss:
        """The loss of the policy that acts in each row; metrics where it is one."""
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
        """The chunk of the policy that acts in each row; see ``Policy``.

        Each of the two gets all rows, as matrix products of another shape may round
        differently; one that acts in no row does not act. Who acts is remembered until
        the words change.
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
        """The words of the instruction, which come first; (batch, language)."""
        return task_embedding[:, : self.wordings["new"].shape[1]]


def _part(memory: Memory | None, name: str) -> Memory | None:
    """What one of the two policies remembers; None for one that did not act yet."""
    found = {
        key.removeprefix(f"{name}."): tensor
        for key, tensor in (memory.tensors if memory else {}).items()
        if key.startswith(f"{name}.")
    }
    return Memory(found) if found else None


def _named(memory: Memory | None, name: str) -> dict[str, Tensor]:
    tensors = memory.tensors if memory else {}
    return {f"{name}.{key}": tensor for key, tensor in tensors.items()}
