"""Training of several policies in parallel processes, for methods that adapt them."""

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
    """Settings of one training; see ``train``."""

    out: Path
    """Run directory."""
    objective: str = "cloning"
    """Registered name of the training objective."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective that differ from the defaults."""
    policy: str = "film"
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the policy's config that differ from the defaults."""
    conditioning: Sequence[Kind] = ("language",)
    """Conditioning of the policy, besides what its objective infers."""
    config: TrainConfig = field(default_factory=TrainConfig)
    """Settings of the training run."""

    @property
    def finished(self) -> bool:
        """Whether the run directory contains a trained policy."""
        return (self.out / POLICY).exists()


def learned(training: Training, demonstrations: Data) -> TrainedPolicy:
    """The trained policy: loaded if finished, else trained in this process.

    Raises:
        ValueError: If the folder contains another run, or the settings do not fit.
        FloatingPointError: If a loss is not finite; the message names the tasks and step.
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
    """Trains policies in parallel; finished policies are only checked.

    Finished policies and saved checkpoints are kept if another training fails.

    Args:
        demonstrations: Complete data sets, since worker processes read their folders.
        trainings: The trainings.
        tasks: Names of the tasks to learn; all if None.
        episodes: Number of demonstrations of each task, the first ones; all if None.
        compute: Processes or cluster, each process training one policy at a time, and the
            limit of time; the trainings define their devices.

    Raises:
        ValueError: If a folder contains another run, or the settings do not fit.
        FloatingPointError: If a loss is not finite; the message names the tasks and step.
        RuntimeError: If the process of a policy dies repeatedly.
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
        for index, ended in executor.map(learn, left):
            if isinstance(ended, Failure):
                raise RuntimeError(f"{left[index].out}: {ended.reason}")
            for sentence in ended.warnings:
                warn(sentence)
            if ended.diverged is not None:
                raise FloatingPointError(f"{left[index].out}: {ended.diverged}")
            reach(index, 1.0, note=str(left[index].out))


class _Ended(NamedTuple):
    """Outcome of a training besides the policy that it saves."""

    diverged: str | None
    """Message of the divergence; None if it did not diverge."""
    warnings: list[str]
    """Warnings that the training gave."""


class _Learn:
    """Trains a policy in a worker process."""

    def __init__(
        self, data: Sequence[Path], tasks: Sequence[str] | None, episodes: int | None
    ) -> None:
        self._data, self._tasks, self._episodes = data, tasks, episodes

    def __call__(self, training: Training) -> _Ended:
        chosen = read_sets(self._data).select(self._tasks, self._episodes)
        torch.set_num_threads(1)  # Each worker has a core.
        training = replace(training, config=replace(training.config, threads="auto"))
        with quiet(), gathered() as warnings:
            try:
                learned(training, chosen)
            except FloatingPointError as error:
                return _Ended(str(error), warnings)
        return _Ended(None, warnings)
