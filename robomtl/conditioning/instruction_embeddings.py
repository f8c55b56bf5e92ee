"""Embeddings of the training tasks' instructions, and their augmentation in training.

A policy trained on the bare sentence embeddings fits isolated points and does not
generalise to new wordings between them. Training therefore draws one of the task's
wordings, mixes it with a second one, adds noise and normalises to unit length, as
embeddings have it.

A fraction of the samples may get the instruction of another task. If the scene alone
identifies the task, the policy learns not to be misled by an instruction that it
misreads; if it does not, as in reaching versus pushing, most instructions are right and
the policy keeps using them.
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

_NOISE = 8192  # Number of noise vectors in the bank that samples draw from.


@settings
@dataclass(frozen=True, kw_only=True)
class InstructionAugmentation:
    """Augmentation of instructions in training."""

    mixing: float = 0.5
    """Largest weight of a second wording of the same task, from 0 (no mixing) to 1."""
    noise: float = 0.5
    """Expected length of the random vector that is added to an embedding of length 1."""
    swap: float = 0.0
    """Fraction of the samples with the instruction of a random task; 0.1 makes a policy of
    many tasks robust to wordings that it misreads, at some cost in precise tasks."""

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
    """Noise vectors, cached as drawing them takes longer than 20 training steps."""
    generator = Generator().manual_seed(0)
    return scale * torch.randn(_NOISE, EMBEDDING_SIZE, generator=generator)


class InstructionEmbeddings:
    """Embeddings of every training wording of every task, padded to one tensor.

    Args:
        conditioning: Conditioning of the policy.
        instructions: Training wordings of each of ``conditioning.tasks``.
        instruction_augmentation: Augmentation that ``sample`` applies.
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
        self._words = conditioning.slice_of("language") if self._language else slice(0)
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
        """An augmented embedding for each task index; (batch,) -> (batch, fixed)."""
        draws = torch.rand(6, len(task), generator=generator, device=generator.device)
        draws = draws.to(task.device)
        if not self._language:
            return self._rows(task, draws[0])
        swapped = self._swapped(task, draws[4], draws[5])
        first, second = self._rows(swapped, draws[0]), self._rows(swapped, draws[1])
        if not self._embedded:  # Characters are neither mixed nor given noise.
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
        """Embedding of the canonical wording; (batch,) -> (batch, fixed)."""
        return self._table.index_select(0, task * self._most)

    def _noise(self, draw: Tensor) -> Tensor:
        """Rows of the bank: drawing new noise would take a tenth of a training step."""
        return self._bank.index_select(0, (draw * len(self._bank)).long())

    def _swapped(self, task: Tensor, draw: Tensor, other: Tensor) -> Tensor:
        others = (other * len(self._counts)).long()
        return torch.where(draw < self._instruction_augmentation.swap, others, task)

    def _rows(self, task: Tensor, draw: Tensor) -> Tensor:
        wording = (draw * self._counts[task]).long()
        return self._table.index_select(0, task * self._most + wording)
