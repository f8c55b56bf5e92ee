"""Evaluation of the policy so far, while training goes on."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from robomtl.agent import PolicyAgent
from robomtl.evaluation import evaluate
from robomtl.task import Suite
from robomtl.training.config import TrainConfig


def evaluate_during(
    folder: Path, made: Suite, config: TrainConfig, step: int, writer: SummaryWriter
) -> None:
    """Logs success on fresh variations, per task and in the mean.

    Args:
        folder: Where the policy so far was saved; results go beside it.
        made: Suite to evaluate on.
        config: Number of trials and seed.
        step: Step to log under.
        writer: Log.
    """
    results = evaluate(
        PolicyAgent(folder),
        made,
        out=folder / "evaluation",
        episodes=config.evaluate_episodes,
        workers=config.threads,
        seed=config.seed,
    )
    writer.add_scalar("evaluation/task_mean", results.task_mean, step)
    for name, task in results.tasks.items():
        writer.add_scalar(f"evaluation_task/{name}", task.success, step)
