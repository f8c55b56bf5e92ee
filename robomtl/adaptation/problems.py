"""What objectives have in common that pose whole problems: support, then queries."""

from collections.abc import Iterator
from dataclasses import dataclass

from robomtl.ranges import check_counts
from robomtl.training.config import TrainConfig
from robomtl.training.episodic import Episodic, EpisodicSampler, validation_problems
from robomtl.training.objective import Material


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
        check_counts(self, "tasks", "shots", "context")

    def draws(self, material: Material, config: TrainConfig) -> EpisodicSampler:
        """Supports of one to ``shots`` demonstrations, queries from others."""
        return EpisodicSampler(
            material,
            tasks=self.tasks,
            shots=self.shots,
            steps=self.context,
            seed=config.seed,
        )

    def validation(self, material: Material) -> Iterator[Episodic]:
        """Problems of held-out episodes; none where no task has two of them."""
        return validation_problems(
            material, tasks=self.tasks, shots=self.shots, steps=self.context
        )
