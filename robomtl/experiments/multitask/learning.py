"""The work on a cell in a worker process: it trains a policy and plays its trials."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robomtl.checkpoint import TrainedPolicy
from robomtl.cost import Cost
from robomtl.demonstrations.collect_missing import data_in
from robomtl.demonstrations.mixture import Data
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.kept import KeptEnvs
from robomtl.experiments.multitask.act_time import act_seconds
from robomtl.experiments.multitask.affinities import Kept, summed_up
from robomtl.experiments.multitask.arm_cells import ArmCell
from robomtl.experiments.multitask.arm_design import MultitaskRequest
from robomtl.experiments.multitask.arms import Arm
from robomtl.experiments.multitask.parameters import PolicySize
from robomtl.experiments.multitask.shared_data import Hashes, read
from robomtl.experiments.playing import play_trials
from robomtl.files.request import plain
from robomtl.files.untrusted import read_json
from robomtl.progress import quiet
from robomtl.task import Suite
from robomtl.training import train
from robomtl.training.elapsed import elapsed_in, noted

_SECONDS, _AFFINITY = "seconds.json", "affinity.json"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Data and settings that all cells of an experiment share."""

    request: MultitaskRequest
    """Numbers of steps, samples and trials."""
    suite: Suite
    """Supplies the tasks."""
    tasks: tuple[str, ...]
    """Names of all tasks that are learned."""
    target: tuple[str, ...]
    """Names of the tasks that are compared."""
    arms: Mapping[str, Arm]
    """Arms by label."""
    sizes: Mapping[str, PolicySize]
    """Sizes of the arms' policies, by label."""
    data: Mapping[str, Path]
    """Folder of the demonstrations of each arm, by label."""
    hashes: Hashes
    """Hashes of the demonstrations, which are the same for all arms."""
    runs: Path
    """Folder of the run directories."""


class LearnCell:
    """Trains and plays a cell; demonstrations and envs are kept between cells.

    Args:
        shared: Data and settings that all cells share.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._envs = KeptEnvs(shared.suite)
        self._read: dict[Path, Data] = {}

    def __call__(self, cell: ArmCell) -> Done:
        """Trains the policy of a cell, and returns its cost and the outcomes of its trials.

        Raises:
            FloatingPointError: If the training diverges.
            GaveUpError: If an action of the policy is not finite.
            InputError: If the demonstrations differ from those of the other cells.
        """
        trained, seconds = self._trained(cell)
        cost = Cost(
            steps=cell.steps,
            samples=cell.steps * cell.batch,
            parameters=trained.policy.num_parameters,
            seconds=seconds,
            act=act_seconds(trained),
        )
        outcomes = play_trials(trained, self._shared.suite, cell.trials, self._envs)
        return Done(outcomes, cost=cost, measured=self._measured(cell))

    def _trained(self, cell: ArmCell) -> tuple[TrainedPolicy, float]:
        """The policy of a cell, and the time of its training [s]."""
        arm, out = self._shared.arms[cell.arm], cell.run(self._shared.runs)
        shared, data = self._shared, self._demonstrations(self._shared.data[cell.arm])
        amounts = shared.request.demonstration_counts(
            shared.tasks, shared.target, cell.demonstrations
        )
        chosen = read(data, amounts, cell, shared.hashes)
        before, begun = elapsed_in(out), time.monotonic()
        with quiet():
            trained = train(
                chosen,
                out=out,
                policy=arm.policy,
                policy_config=self._shared.sizes[cell.arm].policy_config,
                conditioning=arm.conditioning,
                config=replace(arm.training, batch_size=cell.batch, seed=cell.seed),
                start=arm.start,
            )
        return trained, noted(out / _SECONDS, before + time.monotonic() - begun)

    def _measured(self, cell: ArmCell) -> dict[str, Any] | None:
        """Mean affinity of the tasks, as plain data; None if it was not measured."""
        path = cell.run(self._shared.runs) / _AFFINITY
        return plain(summed_up(read_json(path, Kept))) if path.exists() else None

    def _demonstrations(self, path: Path) -> Data:
        if path not in self._read:
            self._read[path] = data_in(path)
        return self._read[path]
