"""What objectives have in common that pose whole problems: support, then queries."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from robomtl.policy import Batch
from robomtl.training.config import TrainConfig
from robomtl.training.episodic import Episodic, EpisodicSampler, spans
from robomtl.training.objective import Material

_VALIDATION = 8, 1024  # Batches, and queries in each.


class Posed(NamedTuple):
    """Problems, and where the policy is told what was inferred of them."""

    problems: Episodic
    """Supports and queries."""
    place: slice
    """Of what is inferred, in the task embedding; empty if nothing is."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each query; (task · sample,)."""
        return self.problems.task


class Posing:
    """Draws problems; a step's batch depends on it alone.

    Args:
        sampler: Draws them.
        place: See ``Posed``.
    """

    def __init__(self, sampler: EpisodicSampler, place: slice) -> None:
        self._sampler, self._place = sampler, place

    def batch(self, step: int, size: int) -> Posed:
        """The problems of a step, with about ``size`` queries together."""
        return Posed(self._sampler.batch(step, size), self._place)


@dataclass(frozen=True, kw_only=True)
class Problems:
    """How an objective poses its problems."""

    tasks: int = 8
    """Problems in a batch."""
    shots: int = 5
    """Most demonstrations in a support; how many there are is drawn for each."""
    context: int = 16
    """Steps to which a demonstration is thinned where it is read as a whole."""

    def __post_init__(self) -> None:
        """Checks the counts.

        Raises:
            ValueError: If one is not positive.
        """
        for name in ("tasks", "shots", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least 1.")

    def draws(self, material: Material, config: TrainConfig) -> Posing:
        """Supports of one to ``shots`` demonstrations, queries from others."""
        return self._posing(material, config.seed)

    def validation(self, material: Material) -> Iterator[Posed]:
        """Problems of held-out episodes; none where no task has two of them."""
        if not _enough(material):
            return
        posing = self._posing(material, 0)
        batches, queries = _VALIDATION
        for step in range(batches):
            yield posing.batch(step, queries)

    def _posing(self, material: Material, seed: int) -> Posing:
        sampler = EpisodicSampler(
            material, tasks=self.tasks, shots=self.shots, steps=self.context, seed=seed
        )
        told = material.conditioning
        there = "demonstration" in told.kinds
        place = told.place("demonstration") if there else slice(0, 0)
        return Posing(sampler, place)


def telling(batch: Batch, place: slice, inferred: Tensor) -> Batch:
    """The batch with what was inferred for each of its rows; (batch, inferred)."""
    told = batch.task_embedding.clone()
    told[:, place] = inferred.to(told.dtype)
    return batch._replace(task_embedding=told)


def _enough(material: Material) -> bool:
    """Whether a group has an episode to learn from and one to act in."""
    if not len(material.frames):
        return False
    return int(spans(material.frames).group.bincount().max()) > 1
