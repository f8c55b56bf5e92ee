"""Work on one cell in a worker process: rounds of rollouts, training and trials."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from robomtl import checkpoint
from robomtl.acting.agent import PolicyAgent
from robomtl.checkpoint import TrainedPolicy
from robomtl.cost import Cost
from robomtl.demonstrations import CollectionConfig, Demonstrations, Mixture, collect
from robomtl.demonstrations.driving import Rollouts
from robomtl.evaluation.experts import ExpertAgent
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.kept import KeptEnvs
from robomtl.evaluation.rollout import Outcome
from robomtl.execution.compute import Compute
from robomtl.execution.executor import InProcess
from robomtl.execution.machine import Machine
from robomtl.experiments.beyond.beyond_design import (
    EXPERT,
    NOISE,
    START,
    Design,
    RoundsCell,
)
from robomtl.experiments.playing import play_trials, play_with
from robomtl.progress import quiet
from robomtl.task import Suite
from robomtl.training import TrainConfig, train
from robomtl.training.elapsed import elapsed_in


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Settings, suite and folders shared by all cells of an experiment."""

    design: Design
    """Numbers of episodes, steps and trials."""
    suite: Suite
    """Suite of the tasks."""
    tasks: tuple[str, ...]
    """Names of the tasks that are learned."""
    data: Path
    """Folder of the demonstrations that every arm starts from."""
    starts: Mapping[int, Path]
    """Run directory of the first policy, by seed."""
    machine: Machine
    """Device and precision of training."""
    runs: Path
    """Folder for the episodes and policies of the rounds."""

    @property
    def batch_size(self) -> int:
        """Batch size, with equally many samples of each task."""
        return self.design.samples * len(self.tasks)

    def config(self, steps: int, learning_rate: float, seed: int) -> TrainConfig:
        """Settings of a training.

        Args:
            steps: Gradient steps.
            learning_rate: Peak learning rate.
            seed: Seed of the training.
        """
        return TrainConfig(
            steps=steps,
            learning_rate=learning_rate,
            batch_size=self.batch_size,
            validation=0.0,
            threads=1,
            seed=seed,
            device=self.machine.device,
            precision=self.machine.precision,
        )


def demonstrations_of(shared: Shared) -> Demonstrations:
    """The demonstrations that every arm starts from: the first ones of each task."""
    return Demonstrations(shared.data).select(
        shared.tasks, shared.design.demonstrations
    )


class ImproveCell:
    """Runs the rounds of a cell; keeps its envs between calls.

    Args:
        shared: Settings, suite and folders shared by all cells.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._envs = KeptEnvs(shared.suite)

    def __call__(self, cell: RoundsCell) -> Done:
        """Outcomes of the trials of the expert, of the first policy, or after each round.

        Raises:
            FloatingPointError: If a training diverges.
            GaveUpError: If a policy solves no episode that it could imitate.
        """
        suite = self._shared.suite
        if cell.arm == EXPERT:
            actor = ExpertAgent().load(suite)
            return Done(play_with(actor, suite, cell.trials, self._envs))
        if cell.arm == START:
            trained = checkpoint.load(self._shared.starts[cell.seed])
            played = play_trials(trained, suite, cell.trials, self._envs)
            return Done(played)
        return self._rounds(cell)

    def _rounds(self, cell: RoundsCell) -> Done:
        outcomes, begun, elapsed = list[Outcome](), time.monotonic(), 0.0
        run, sets = self._shared.starts[cell.seed], [demonstrations_of(self._shared)]
        trained = checkpoint.load(run)
        each = len(cell.trials) // cell.rounds
        for number in range(1, cell.rounds + 1):
            folder = (
                self._shared.runs / cell.arm / f"seed-{cell.seed}" / f"round-{number}"
            )
            elapsed += elapsed_in(folder)
            with quiet():
                sets.append(self._collected(cell, number, run, folder / "episodes"))
                trained = self._trained(cell, sets, run, folder)
            outcomes += play_trials(
                trained, self._shared.suite, cell.trials[:each], self._envs
            )
            run = folder
        steps = cell.rounds * cell.steps
        cost = Cost(
            steps=steps,
            samples=steps * self._shared.batch_size,
            parameters=trained.policy.num_parameters,
            seconds=elapsed + time.monotonic() - begun,
        )
        return Done(outcomes, cost=cost)

    def _collected(
        self, cell: RoundsCell, number: int, run: Path, out: Path
    ) -> Demonstrations:
        """The episodes that a round adds to the data.

        Args:
            cell: The cell, whose arm determines the kind of episodes.
            number: Number of the round, from 1.
            run: Run directory of the policy that acts.
            out: Folder of the episodes.
        """
        design, rollouts, noise = self._shared.design, None, NOISE
        if cell.arm == "dagger":
            rollouts, noise = Rollouts(agent=PolicyAgent(run), labels="expert"), 0.0
        if cell.arm == "self_imitation":
            rollouts = Rollouts(agent=PolicyAgent(run), labels="policy")
            noise = design.noise
        return collect(
            self._shared.suite,
            out,
            config=CollectionConfig(
                tasks=self._shared.tasks,
                first=design.first(number),
                episodes=design.episodes,
                noise=noise,
                seed=cell.seed,
            ),
            rollouts=rollouts,
            compute=Compute(executor=InProcess()),
        )

    def _trained(
        self,
        cell: RoundsCell,
        sets: Sequence[Demonstrations],
        run: Path,
        out: Path,
    ) -> TrainedPolicy:
        """The policy of a round: trained from the run ``run`` on all data so far."""
        design = self._shared.design
        return train(
            Mixture(sets),
            out=out,
            config=self._shared.config(cell.steps, design.learning_rate, cell.seed),
            start=run,
        )
