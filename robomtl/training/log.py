"""TensorBoard scalars of a training, per task and averaged over tasks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from robomtl.evaluation import Results
from robomtl.policy import Loss, Policy
from robomtl.training.conflicts import Conflict
from robomtl.training.objective import Objective, TaskBatch


class Log:
    """Writer of the scalars of one run.

    Args:
        folder: Log directory of TensorBoard.
        tasks: Names of the tasks, by index.
        step: First step; scalars that a killed run logged from it on are dropped.
    """

    def __init__(self, folder: Path, tasks: Sequence[str], *, step: int) -> None:
        self._folder = folder
        self._writer = SummaryWriter(folder, purge_step=step)
        self._tasks = tasks

    def close(self) -> None:
        """Writes the scalars that are still in memory, unless the folder was removed."""
        if self._folder.exists():
            self._writer.close()

    def train(self, step: int, batch: TaskBatch, loss: Loss, **scalars: float) -> None:
        """Logs a step's loss, its metrics and further scalars."""
        per_sample = loss.per_sample.detach()
        metrics = {name: float(value) for name, value in loss.metrics.items()}
        for name, value in {**metrics, **scalars}.items():
            self._writer.add_scalar(f"train/{name}", value, step)
        self._writer.add_scalar("train/loss", per_sample.mean(), step)
        self._by_task("train_task", step, per_sample, batch.task)

    @torch.no_grad()
    def validate(
        self,
        step: int,
        policy: Policy,
        objective: Objective,
        batches: Iterable[TaskBatch],
    ) -> dict[str, float]:
        """Logs the loss on held-out episodes, of each task and averaged over tasks.

        Returns:
            Loss of each task that has held-out episodes, by name.
        """
        pairs = [(objective.loss(policy, b).per_sample, b.task) for b in batches]
        if not pairs:
            return {}
        losses, tasks = (torch.cat(column) for column in zip(*pairs, strict=True))
        means = self._by_task("validation_task", step, losses, tasks)
        mean = sum(means.values()) / len(means)
        self._writer.add_scalar("validation/loss", mean, step)
        return means

    def weights(self, step: int, weights: Mapping[str, float]) -> None:
        """Logs the weights of the tasks, by name."""
        for name, weight in weights.items():
            self._writer.add_scalar(f"weight_task/{name}", weight, step)

    def conflict(self, step: int, summary: Conflict) -> None:
        """Logs the conflict between the tasks' gradients."""
        self._writer.add_scalar("conflict/mean_cosine", summary.mean, step)
        self._writer.add_scalar("conflict/fraction_negative", summary.negative, step)
        for name, mean in zip(self._tasks, summary.by_task, strict=True):
            self._writer.add_scalar(f"conflict_task/{name}", mean, step)

    def evaluate(self, step: int, results: Results) -> None:
        """Logs success rates of the policy, of each task and averaged over tasks."""
        scalars = {"evaluation/task_mean": results.task_mean} | {
            f"evaluation_task/{name}": rates.success
            for name, rates in results.tasks.items()
        }
        for name, success in scalars.items():
            if success is not None:  # None if every trial ended in an error.
                self._writer.add_scalar(name, success, step)

    def _by_task(
        self, name: str, step: int, losses: Tensor, task: Tensor
    ) -> dict[str, float]:
        zeros = torch.zeros(len(self._tasks), device=losses.device)
        sums = zeros.index_add(0, task, losses).tolist()
        counts = task.bincount(minlength=len(self._tasks)).tolist()
        rows = zip(self._tasks, sums, counts, strict=True)
        means = {key: total / count for key, total, count in rows if count}
        for key, mean in means.items():
            self._writer.add_scalar(f"{name}/{key}", mean, step)
        return means
