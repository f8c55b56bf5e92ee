"""Episodic training: batches of problems, each with a support and queries of one task."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from robomtl.ranges import check_counts, check_parts
from robomtl.training.config import TrainConfig
from robomtl.training.episodic import Episodic, EpisodicSampler, validation_problems
from robomtl.training.objective import Material


@dataclass(frozen=True, kw_only=True)
class Problems(ABC):
    """Base class of episodic objectives: sizes of their problems, and their samplers."""

    tasks: int = 16
    """Number of tasks in a batch; of goals, where the suite hides goals."""
    shots: int = 5
    """Largest number of demonstrations of a problem, which is drawn from 1 to this."""
    sub_trajectories: float = 0.0
    """Fraction of training problems made from a segment of the episodes, a quarter to all
    of each, as if it were a separate task."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If a count is not positive or the fraction outside [0, 1].
        """
        check_counts(self, "tasks", "shots")
        check_parts(self, "sub_trajectories")

    @property
    @abstractmethod
    def subsampled(self) -> int:
        """Steps to which a demonstration is subsampled when an encoder reads all of it."""

    @property
    def others(self) -> int:
        """Number of query demonstrations that a problem also contains as a whole."""
        return 0

    def draws(self, material: Material, config: TrainConfig) -> EpisodicSampler:
        """Sampler of training problems, whose tasks are drawn without replacement."""
        sampler = EpisodicSampler(
            material,
            tasks=self.tasks,
            shots=self.shots,
            steps=self.subsampled,
            seed=config.seed,
            others=self.others,
        )
        sampler.sub_trajectories = self.sub_trajectories
        return sampler

    def validation(self, material: Material) -> Iterator[Episodic]:
        """Problems of held-out episodes; none if no task has two held-out episodes."""
        return validation_problems(
            material,
            tasks=self.tasks,
            shots=self.shots,
            steps=self.subsampled,
            others=self.others,
        )
