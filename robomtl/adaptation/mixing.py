"""Batches from two sources: the demonstrations of a new task, and some of earlier ones."""

import torch
from torch import Generator, Tensor

from robomtl.policy import Batch
from robomtl.training.objective import Draws, Material
from robomtl.training.samples import gather, mixed


class FrameSampler:
    """Draws among chosen frames, each as likely as any other.

    Args:
        material: Frames, and what the policy is told there.
        rows: Rows of the frames that samples may start at; (chosen,).
        seed: Seed of the draws.
    """

    def __init__(self, material: Material, rows: Tensor, seed: int) -> None:
        self._material, self._rows, self._seed = material, rows, seed
        self._generator = Generator(rows.device)

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step."""
        material = self._material
        generator = self._generator.manual_seed(mixed(self._seed, step))
        drawn = torch.randint(
            len(self._rows), (size,), generator=generator, device=self._rows.device
        )
        frame = self._rows[drawn]
        fixed = material.wordings.sample(material.frames.task[frame], generator)
        return gather(
            material.frames, frame, fixed, material.conditioning, material.chunk
        )


class MixedSampler:
    """Batches of which a fixed part comes from one source, the rest from another.

    Args:
        first: Draws a ``Batch``, as does ``second``.
        second: Tells the policy as much as ``first``.
        share: Part of a batch that is drawn from ``first``, above 0 and below 1. Each
            source gives at least one sample, so a batch has 2 or more.

    Raises:
        ValueError: If the share is out of range.
    """

    def __init__(self, first: Draws, second: Draws, *, share: float) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share is {share}; give more than 0 and less than 1.")
        self._first, self._second, self._share = first, second, share

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step: samples of the first source, then of the second."""
        some = min(max(round(self._share * size), 1), max(size - 1, 1))
        rest = max(size - some, 1)
        return _joined(self._first.batch(step, some), self._second.batch(step, rest))


def _joined(first: Batch, second: Batch) -> Batch:
    observation = {
        name: torch.cat([value, second.observation[name]])
        for name, value in first.observation.items()
    }
    rest = zip(first[1:], second[1:], strict=True)
    return Batch(observation, *(torch.cat(pair) for pair in rest))
