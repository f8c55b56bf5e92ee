"""A stage of a stream: the task that is learned, its data and its training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations
from robomtl.names import file_name
from robomtl.training import TrainConfig, train
from robomtl.training.parameter_groups import parts_of
from robomtl.training.start import Start

Normalisation = Literal["all", "first", "per_task"]
"""Source of the statistics that standardise observations: demonstrations of all tasks, of
the first task, or those of the current stage."""

_NORMALISER = "normaliser"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a stream of tasks, with the data and settings to learn its task."""

    stream: tuple[str, ...]
    """Names of the tasks in the order in which they are learned."""
    number: int
    """Number of earlier stages."""
    data: Demonstrations
    """Demonstrations of all tasks of the stream."""
    folder: Path
    """Folder of the run directories of all stages."""
    policy: str
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any]
    """Fields of the architecture's config that differ from the defaults."""
    conditioning: tuple[Kind, ...]
    """Conditioning of the policy."""
    training: TrainConfig
    """Settings of the training of one stage."""
    normaliser: Normalisation = "all"
    """Source of the statistics that standardise observations."""

    @property
    def task(self) -> str:
        """Name of the task that is learned."""
        return self.stream[self.number]

    @property
    def earlier(self) -> tuple[str, ...]:
        """Distinct names of the other tasks that were learned before."""
        before = dict.fromkeys(self.stream[: self.number])
        return tuple(task for task in before if task != self.task)

    @property
    def run(self) -> Path:
        """Run directory of the stage."""
        return self.folder / f"{self.number + 1:02d}-{file_name(self.task)}"

    def stage_of(self, task: str) -> "Stage | None":
        """The latest stage, up to this one, that learned a task; None if no stage did."""
        for number in range(self.number, -1, -1):
            if self.stream[number] == task:
                return replace(self, number=number)
        return None

    def first(self, episodes: Mapping[str, int | None]) -> Demonstrations:
        """The first episodes of some tasks; all tasks of the stream keep their index.

        Args:
            episodes: Number of episodes by task; None for all of a task.
        """
        task = self.data.episodes.task
        chosen = [
            np.flatnonzero(task == self.data.tasks.index(name))[:count]
            for name, count in episodes.items()
        ]
        return self.data.take(np.sort(np.concatenate(chosen)).tolist())

    def train(
        self,
        data: Demonstrations,
        before: TrainedPolicy | None,
        *,
        objective: str = "cloning",
        objective_config: Mapping[str, Any] | None = None,
        config: TrainConfig | None = None,
        out: Path | None = None,
    ) -> TrainedPolicy:
        """Trains the policy of the stage; a finished training is read, not repeated.

        Args:
            data: Demonstrations to learn from.
            before: Policy that training continues from; None from scratch.
            objective: Registered name of the training objective.
            objective_config: Settings of the objective that differ from the defaults.
            config: Settings of the training; those of the stage if None.
            out: Run directory; that of the stage if None.

        Raises:
            FloatingPointError: If a loss is not finite.
        """
        return train(
            data,
            out=out or self.run,
            policy=self.policy,
            policy_config=self.policy_config,
            conditioning=self.conditioning,
            objective=objective,
            objective_config=objective_config,
            config=config or self.training,
            start=self._start(before),
        )

    def _start(self, before: TrainedPolicy | None) -> Start | TrainedPolicy | None:
        """The policy that training continues from, with the normaliser to keep."""
        if before is None:
            if self.normaliser != "all":
                return None
            return Start(policy=self._of_all_tasks(), parts=(_NORMALISER,))
        if self.normaliser != "per_task":
            return before
        parts = parts_of(before.policy)
        return Start(policy=before, parts=_without_normaliser(parts))

    def _of_all_tasks(self) -> TrainedPolicy:
        """A policy trained for 1 step, whose normaliser has the statistics of all tasks."""
        return train(
            self.data,
            out=self.folder / _NORMALISER,
            policy=self.policy,
            policy_config=self.policy_config,
            conditioning=self.conditioning,
            config=replace(self.training, steps=1),
        )


def _without_normaliser(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for part in parts if part != _NORMALISER)
