"""The wordings of the training tasks as tensors, and how training varies them.

A policy trained on the bare sentence embeddings learns points, not regions: a sentence
it has not seen falls between them. So training draws among the wordings of the task,
mixes two of them and adds noise, all on the unit sphere where the embeddings lie.

Some samples may have another task's instruction. Where the scene alone shows the task, the
policy learns not to be misled by a sentence it takes wrongly; where it does not, such as
reaching and pushing, most sentences are right, and it goes on using them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Generator, Tensor
from torch.nn import functional

from robomtl.acting.actor import TaskInfo
from robomtl.conditioning.conditioning import Conditioning
from robomtl.conditioning.embeddings import EMBEDDING_SIZE
from robomtl.errors import InputError
from robomtl.ranges import check_not_negative, check_types, settings

_NOISE = 8192  # Vectors of noise that samples draw from.


@settings
@dataclass(frozen=True, kw_only=True)
class InstructionAugmentation:
    """How training varies instructions."""

    mixing: float = 0.5
    """Largest weight of a second wording of the same task, from 0 (never mixed) to 1."""
    noise: float = 0.5
    """Length of the random vector added to an embedding of length 1."""
    swap: float = 0.0
    """Fraction of the samples with an instruction of a random task; 0.1 makes a policy of
    many tasks robust to wordings it misreads, at some cost where precision counts."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        for name in ("mixing", "swap"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 0 to 1.")
        check_not_negative(self, "noise")


@lru_cache(maxsize=1)
def _bank(scale: float) -> Tensor:
    """Vectors of noise, drawn once in a process: that takes longer than 20 steps."""
    generator = Generator().manual_seed(0)
    return scale * torch.randn(_NOISE, EMBEDDING_SIZE, generator=generator)


class InstructionEmbeddings:
    """Embeddings of every training wording of every task, padded to one tensor.

    Args:
        conditioning: Conditioning of the policy.
        instructions: Training wordings of each of ``conditioning.tasks``.
        augmentation: How training varies them.
    """

    def __init__(
        self,
        conditioning: Conditioning,
        instructions: Sequence[Sequence[str]],
        instruction_augmentation: InstructionAugmentation,
    ) -> None:
        self._instruction_augmentation = instruction_augmentation
        self._language = "language" in conditioning.kinds
        self._embedded = conditioning.wording == "embedding"
        self._words = conditioning.place("language") if self._language else slice(0)
        most = max(map(len, instructions)) if self._language else 1
        task_infos = [
            TaskInfo(task, wordings[i % len(wordings)])
            for task, wordings in zip(conditioning.tasks, instructions, strict=True)
            for i in range(most)
        ]
        self._table, self._most = conditioning.fixed(task_infos), most
        scale = instruction_augmentation.noise / EMBEDDING_SIZE**0.5
        self._bank = _bank(scale) if self._language else torch.empty(0)
        self._counts = torch.tensor([min(len(each), most) for each in instructions])

    def to(self, device: torch.device) -> "InstructionEmbeddings":
        """Moves the table to a device and returns itself."""
        self._table, self._counts = self._table.to(device), self._counts.to(device)
        self._bank = self._bank.to(device)
        return self

    def sample(self, task: Tensor, generator: Generator) -> Tensor:
        """A varied embedding for each task index; (batch,) -> (batch, fixed)."""
        draws = torch.rand(6, len(task), generator=generator, device=generator.device)
        draws = draws.to(task.device)
        if not self._language:
            return self._rows(task, draws[0])
        swapped = self._swapped(task, draws[4], draws[5])
        first, second = self._rows(swapped, draws[0]), self._rows(swapped, draws[1])
        if not self._embedded:  # Characters are neither mixed nor blurred.
            rest = self.canonical(task)[:, self._words.stop :]
            return torch.cat([first[:, self._words], rest], dim=-1)
        mixed = torch.lerp(
            first, second, self._instruction_augmentation.mixing * draws[2, :, None]
        )
        words: Tensor = mixed[:, :EMBEDDING_SIZE] + self._noise(draws[3])
        words = functional.normalize(words, dim=-1)
        if mixed.shape[1] == EMBEDDING_SIZE:
            return words
        return torch.cat([words, self.canonical(task)[:, EMBEDDING_SIZE:]], dim=-1)

    def canonical(self, task: Tensor) -> Tensor:
        """The embedding of the canonical wording; (batch,) -> (batch, fixed)."""
        return self._table.index_select(0, task * self._most)

    def _noise(self, draw: Tensor) -> Tensor:
        """Rows of the noise drawn once: drawing anew would take a tenth of a step."""
        return self._bank.index_select(0, (draw * len(self._bank)).long())

    def _swapped(self, task: Tensor, draw: Tensor, other: Tensor) -> Tensor:
        others = (other * len(self._counts)).long()
        return torch.where(draw < self._instruction_augmentation.swap, others, task)

    def _rows(self, task: Tensor, draw: Tensor) -> Tensor:
        wording = (draw * self._counts[task]).long()
        return self._table.index_select(0, task * self._most + wording)
