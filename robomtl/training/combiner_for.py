"""Construction of the combiner of the losses or gradients of a run's tasks."""

from collections.abc import Sequence

from robomtl.training.aggregating import rule_for
from robomtl.training.combining import (
    Aggregating,
    Averaging,
    Combiner,
    Norming,
    Sloping,
    Weighing,
)
from robomtl.training.config import TrainConfig
from robomtl.training.dividing import DividedWeighing, Dividing
from robomtl.training.gradnorm import GradNorm
from robomtl.training.processes import Processes
from robomtl.training.weighting import by_losses


def combiner_for(
    config: TrainConfig, tasks: Sequence[str], processes: Processes
) -> Combiner:
    """The combiner that a config names, in its form for divided batches if they are.

    Args:
        config: Settings of the run.
        tasks: Names of the tasks, by index.
        processes: Processes that share the batches.

    Raises:
        ValueError: If a weight names no task.
    """
    settings = config.balancing
    fixed = by_losses("fixed", settings, tasks) if settings.weights else None
    divided = processes.number > 1 or config.accumulate > 1
    if config.aggregation != "mean":
        rule = rule_for(config.aggregation, settings)
        return Aggregating(rule, fixed or by_losses("fixed", settings, tasks), tasks)
    if config.weighting == "gradnorm":
        rate, asymmetry = settings.rate, settings.asymmetry
        return Norming(GradNorm(len(tasks), rate, asymmetry), tasks)
    if config.weighting != "fixed":
        name, weigher = config.weighting, by_losses(config.weighting, settings, tasks)
        if divided:
            return DividedWeighing(name, weigher, tasks, processes=processes)
        return Weighing(name, weigher, tasks)
    if divided:
        return Dividing(processes, fixed)
    return Averaging() if fixed is None else Sloping(fixed)
