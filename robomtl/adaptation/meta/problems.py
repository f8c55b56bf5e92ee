"""Batches of whole problems, each a support and its queries."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from robomtl.ranges import check_counts, check_parts
from robomtl.training.config import TrainConfig
from robomtl.training.episodic import Episodic, EpisodicSampler, validation_problems
from robomtl.training.objective import Material


@dataclass(frozen=True, kw_only=True)
class Problems(ABC):
    """How an objective poses its problems."""

    tasks: int = 16
    """Tasks, or goals where they are hidden, in a batch."""
    shots: int = 5
    """Greatest number of demonstrations; each problem draws its own from 1 on."""
    sub_trajectories: float = 0.0
    """Fraction of the problems in training whose demonstrations and queries are of one part
    of the episodes, from a quarter to all of each, as if it were a task of its own."""

    def __post_init__(self) -> None:
        """Checks the counts.

        Raises:
            ValueError: If one is not positive.
        """
        check_counts(self, "tasks", "shots")
        check_parts(self, "sub_trajectories")

    @property
    @abstractmethod
    def subsampled(self) -> int:
        """Steps to which a demonstration is subsampled where it is read as a whole."""

    @property
    def others(self) -> int:
        """Demonstrations to act in that are given whole as well."""
        return 0

    def draws(self, material: Material, config: TrainConfig) -> EpisodicSampler:
        """Problems of tasks that are drawn without replacement."""
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
        """Problems of held-out episodes; none where no task has two of them."""
        return validation_problems(
            material,
            tasks=self.tasks,
            shots=self.shots,
            steps=self.subsampled,
            others=self.others,
        )
