"""The wordings of the training tasks as tensors, and how training varies them.

A policy trained on the bare sentence embeddings learns points, not regions: a sentence
it has not seen falls between them. So training draws among the wordings of the task,
mixes two of them and adds noise, all on the unit sphere where the embeddings lie.

Some samples may be told another task's wording. Where the scene alone shows the task, the
policy learns not to be misled by a sentence it takes wrongly; where it does not, such as
reaching and pushing, most sentences are right, and it goes on listening.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from robomtl.actor import Told
from robomtl.conditioning.conditioning import Conditioning
from robomtl.conditioning.embeddings import EMBEDDING_SIZE

_NOISE = 8192  # Vectors of noise that samples draw from.


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training varies what the policy is told in words."""

    mixing: float = 0.5
    """Largest weight of a second wording of the same task, from 0 (never mixed) to 1."""
    noise: float = 0.5
    """Length of the random vector added to an embedding of length 1."""
    swap: float = 0.0
    """Part of the samples that are told a wording of a random task; 0.1 makes a policy of
    many tasks robust to wordings it misreads, at some cost where precision counts."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If a value is out of range.
        """
        for name in ("mixing", "swap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give 0 to 1.")
        if self.noise < 0:
            raise ValueError(f"noise is {self.noise}; give 0 or more.")


class Wordings:
    """Embeddings of every training wording of every task, padded to one tensor.

    Args:
        conditioning: What the policy is told.
        instructions: Training wordings of each of ``conditioning.tasks``.
        augmentation: How training varies them.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        instructions: Sequence[Sequence[str]],
        augmentation: Augmentation,
    ) -> None:
        self._augmentation = augmentation
        self._language = "language" in conditioning.kinds
        most = max(map(len, instructions)) if self._language else 1
        told = [
            Told(task, wordings[i % len(wordings)])
            for task, wordings in zip(conditioning.tasks, instructions, strict=True)
            for i in range(most)
        ]
        fixed = conditioning.fixed(told)
        self._table = fixed.view(len(instructions), most, fixed.shape[-1])
        scale = augmentation.noise / EMBEDDING_SIZE**0.5
        bank = torch.randn(_NOISE, EMBEDDING_SIZE, generator=Generator().manual_seed(0))
        self._bank = scale * bank
        self._counts = torch.tensor([min(len(each), most) for each in instructions])

    def to(self, device: torch.device) -> "Wordings":
        """Moves the table to a device and returns itself."""
        self._table, self._counts = self._table.to(device), self._counts.to(device)
        self._bank = self._bank.to(device)
        return self

    def sample(self, task: Tensor, generator: Generator) -> Tensor:
        """A varied embedding for each task index; (batch,) -> (batch, fixed)."""
        if not self._language:
            return self._draw(task, generator)
        rest = self._table[task, 0, EMBEDDING_SIZE:]
        task = self._swapped(task, generator)
        first, second = (
            self._draw(task, generator)[:, :EMBEDDING_SIZE] for _ in range(2)
        )
        weight = torch.rand(len(task), 1, generator=generator, device=task.device)
        words = torch.lerp(first, second, self._augmentation.mixing * weight)
        words = functional.normalize(words + self._noise(len(task), generator), dim=-1)
        return torch.cat([words, rest], dim=-1)

    def canonical(self, task: Tensor) -> Tensor:
        """The embedding of the canonical wording; (batch,) -> (batch, fixed)."""
        return self._table[task, 0]

    def _noise(self, size: int, generator: Generator) -> Tensor:
        """Rows of the noise drawn once: drawing anew would take a tenth of a step."""
        device = self._bank.device
        draw = torch.rand(size, generator=generator, device=device)
        rows: Tensor = self._bank[(draw * len(self._bank)).long()]
        return rows

    def _swapped(self, task: Tensor, generator: Generator) -> Tensor:
        draws = torch.rand(2, len(task), generator=generator, device=task.device)
        other = (draws[0] * len(self._counts)).long()
        return torch.where(draws[1] < self._augmentation.swap, other, task)

    def _draw(self, task: Tensor, generator: Generator) -> Tensor:
        draw = torch.rand(len(task), generator=generator, device=task.device)
        return self._table[task, (draw * self._counts[task]).long()]
