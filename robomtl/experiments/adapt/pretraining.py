"""Policies trained side by side, a process each, for methods that adapt them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.demonstrations.collect_missing import read_sets
from robomtl.demonstrations.mixture import Data
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Failure
from robomtl.files.folder_kinds import POLICY
from robomtl.progress import item_progress, quiet
from robomtl.training import TrainConfig, train
from robomtl.warned import gathered, warn, warned_once


@dataclass(frozen=True, kw_only=True)
class Training:
    """A policy to be trained; see ``train``."""

    out: Path
    """Run directory."""
    objective: str = "cloning"
    """What is minimised."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective that differ from the defaults."""
    policy: str = "film"
    """Architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that differ from the defaults."""
    conditioning: Sequence[Kind] = ("language",)
    """Conditioning of the policy, besides what is inferred."""
    config: TrainConfig = field(default_factory=TrainConfig)
    """Settings of the run."""

    @property
    def finished(self) -> bool:
        """Whether its folder holds a policy."""
        return (self.out / POLICY).exists()


def learned(training: Training, demonstrations: Data) -> TrainedPolicy:
    """The policy, trained in this process or read where it is finished.

    Raises:
        ValueError: If the folder holds another run, or the settings do not fit.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
    """
    return train(
        demonstrations,
        out=training.out,
        policy=training.policy,
        policy_config=training.policy_config,
        conditioning=training.conditioning,
        objective=training.objective,
        objective_config=training.objective_config,
        config=training.config,
    )


@warned_once()
def train_all(
    demonstrations: Data,
    trainings: Sequence[Training],
    *,
    tasks: Sequence[str] | None = None,
    episodes: int | None = None,
    compute: Compute | None = None,
) -> None:
    """Trains policies side by side; those that are finished are only read.

    What is finished or saved is kept, whatever stops the others.

    Args:
        demonstrations: Whole data sets: processes read their folders.
        trainings: The policies.
        tasks: Names of the tasks to learn; all if None.
        episodes: Demonstrations of each task to learn from, the first; all if None.
        compute: Processes or cluster, of which each process trains one policy at a time,
            and the limit of time; the trainings name their devices.

    Raises:
        ValueError: If a folder holds another run, or the settings do not fit.
        FloatingPointError: If a loss is not finite; names the tasks and the step.
        RuntimeError: If the process of a policy dies again and again.
    """
    chosen = demonstrations.select(tasks, episodes)
    for training in trainings:
        if training.finished:
            learned(training, chosen)
    left = [training for training in trainings if not training.finished]
    if not left:
        return
    executor = (compute or Compute()).executed
    paths = [each.path.absolute() for each in demonstrations.sets]
    learn = _Learn(paths, tasks, episodes)
    steps = [training.config.steps for training in left]
    with item_progress("Training policies by steps", steps, done=0) as reach:
        for index, came in executor.map(learn, left):
            if isinstance(came, Failure):
                raise RuntimeError(f"{left[index].out}: {came.reason}")
            for sentence in came.warnings:
                warn(sentence)
            if came.diverged is not None:
                raise FloatingPointError(f"{left[index].out}: {came.diverged}")
            reach(index, 1.0, note=str(left[index].out))


class _Came(NamedTuple):
    """What came of a training besides its policy."""

    diverged: str | None
    """Why it diverged; None if it did not."""
    warnings: list[str]


class _Learn:
    """Trains a policy in a worker process."""

    def __init__(
        self, data: Sequence[Path], tasks: Sequence[str] | None, episodes: int | None
    ) -> None:
        self._data, self._tasks, self._episodes = data, tasks, episodes

    def __call__(self, training: Training) -> _Came:
        chosen = read_sets(self._data).select(self._tasks, self._episodes)
        torch.set_num_threads(1)  # Each worker has a core.
        training = replace(training, config=replace(training.config, threads="auto"))
        with quiet(), gathered() as warnings:
            try:
                learned(training, chosen)
            except FloatingPointError as error:
                return _Came(str(error), warnings)
        return _Came(None, warnings)
