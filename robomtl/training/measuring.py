"""What a run measures of its tasks beside training: it changes nothing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from robomtl.durable import replacing
from robomtl.training.affinity import task_affinity
from robomtl.training.config import TrainConfig
from robomtl.training.conflict_picture import picture
from robomtl.training.conflicts import conflict, record
from robomtl.training.learner import Learner
from robomtl.training.log import Log
from robomtl.training.objective import Draws, Objective
from robomtl.training.samples import Sampler

_CONFLICTS, _AFFINITY = "conflicts.json", "affinity.json"


def forget_measurements(folder: Path) -> None:
    """Removes what a run measured whose steps are lost, and may have been others."""
    for name in (_CONFLICTS, _AFFINITY):
        (folder / name).unlink(missing_ok=True)


def measure_conflict(
    learner: Learner,
    draws: Draws,
    tasks: Sequence[str],
    config: TrainConfig,
    log: Log,
    folder: Path,
) -> None:
    """Logs, and keeps, the cosines between the tasks' gradients."""
    cosine = learner.cosines(_even_batch(draws, learner, config))
    log.conflict(learner.step, conflict(cosine))
    path = folder / _CONFLICTS
    kept = record(path, tasks, learner.step, cosine, name="cosines")
    drawn = picture(tasks, kept["steps"], torch.tensor(kept["cosines"]))
    with replacing(folder / "conflicts.svg") as temporary:
        temporary.write_text(drawn, encoding="utf-8")


def measure_affinity(
    learner: Learner,
    draws: Draws,
    objective: Objective,
    tasks: Sequence[str],
    config: TrainConfig,
    folder: Path,
) -> None:
    """Keeps how a step on one task changes the losses of the others."""
    batch = _even_batch(draws, learner, config)
    found = task_affinity(learner.policy, batch, tasks, objective=objective)
    path = folder / _AFFINITY
    record(path, tasks, learner.step, found, name="affinity")


def _even_batch(draws: Draws, learner: Learner, config: TrainConfig) -> Any:
    """Equally many samples of every task, where the draws can be made so."""
    even = draws.evenly() if isinstance(draws, Sampler) else draws
    return even.batch(learner.step, config.batch)
