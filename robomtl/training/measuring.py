"""Measurements of conflict and affinity during training, which they do not change."""

from pathlib import Path
from typing import Any

import torch

from robomtl.files.durable import replacing
from robomtl.training.affinity import task_affinity
from robomtl.training.config import TrainConfig
from robomtl.training.conflicts import History, conflict
from robomtl.training.learner import Learner
from robomtl.training.log import Log
from robomtl.training.objective import Draws, Objective
from robomtl.training.samples import Sampler

_CONFLICTS, _AFFINITY = "conflicts.json", "affinity.json"


def forget_measurements(folder: Path) -> None:
    """Removes the measurements of a run whose steps are lost, and which begins anew."""
    for name in (_CONFLICTS, _AFFINITY):
        (folder / name).unlink(missing_ok=True)


class Measurements:
    """Measures conflict and affinity at some steps of a run, and writes their files.

    Args:
        learner: Learner that takes the steps.
        draws: Batches of the run.
        objective: Training objective.
        config: Settings of the run.
        folder: Run directory.
    """

    def __init__(
        self,
        learner: Learner,
        draws: Draws,
        objective: Objective,
        config: TrainConfig,
        folder: Path,
    ) -> None:
        self._learner, self._objective = learner, objective
        self._config, self._folder = config, folder
        # Equally many samples of every task, if the draws support that.
        self._even = draws.evenly() if isinstance(draws, Sampler) else draws
        tasks, step = learner.tasks, learner.step
        self._conflicts = History(folder / _CONFLICTS, tasks, name="cosines", step=step)
        self._affinity = History(folder / _AFFINITY, tasks, name="affinity", step=step)

    def conflicts(self, log: Log) -> None:
        """Measures and logs the conflict between the tasks' gradients after the last step."""
        cosine = self._learner.cosines(self._batch())
        log.conflict(self._learner.step, conflict(cosine))
        self._conflicts.add(self._learner.step, cosine)

    def affinity(self) -> None:
        """Measures the affinity between the tasks after the last step."""
        affinity = task_affinity(
            self._learner.policy,
            self._batch(),
            self._learner.tasks,
            objective=self._objective,
        )
        self._affinity.add(self._learner.step, affinity)

    def write(self) -> None:
        """Writes the measurements, at a checkpoint from which the run may resume."""
        self._conflicts.write()
        self._affinity.write()

    def finish(self) -> None:
        """Writes the measurements, and a figure of the conflict if it was measured."""
        self.write()
        if self._conflicts.steps:
            from robomtl.training.conflict_picture import picture  # Loads matplotlib.

            cosines = torch.tensor(self._conflicts.matrices)
            figure = picture(self._learner.tasks, self._conflicts.steps, cosines)
            with replacing(self._folder / "conflicts.svg") as temporary:
                temporary.write_text(figure, encoding="utf-8")

    def _batch(self) -> Any:
        return self._even.batch(self._learner.step, self._config.batch_size)
