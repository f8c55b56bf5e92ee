"""Methods of balancing tasks: their names, settings, and the combinations allowed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from robomtl.action_head import HEADS
from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_not_negative, check_positive, check_types

Sampling = Literal["temperature", "uniform", "proportional", "validation_loss"]
Weighting = Literal["fixed", "uncertainty", "dwa", "gradnorm", "famo"]
Aggregation = Literal[
    "mean",
    "pcgrad",
    "cagrad",
    "mgda",
    "imtl_g",
    "nash_mtl",
    "aligned_mtl",
    "upgrad",
    "dual_proj",
]

POSITIVE = (
    "uncertainty",
    "dwa",
    "gradnorm",
    "famo",
    "validation_loss",
    "affinity_every",
)
"""Methods that divide by losses or take their logarithm, and so need positive losses."""


@dataclass(frozen=True, kw_only=True)
class Balancing:
    """Settings of weightings and aggregations; each names the methods that use it."""

    weights: tuple[tuple[str, float], ...] = ()
    """``fixed``: tasks and their weights, of which only the ratios matter; a task that is
    not named has 1."""
    rate: float = 0.025
    """``uncertainty``, ``famo``, ``gradnorm``: learning rate of the task weights."""
    decay: float = 1e-3
    """``famo``: weight decay of its logits."""
    window: int = 100
    """``dwa``: steps over which it averages losses, an epoch in the paper."""
    softness: float = 2.0
    """``dwa``: temperature of its weights; larger is more even."""
    asymmetry: float = 1.5
    """``gradnorm``: strength with which slow tasks are pulled up, α in the paper."""
    radius: float = 0.5
    """``cagrad``: largest distance of the step from the mean gradient, as a fraction of
    the mean gradient's norm; from 0 to below 1."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is out of range, or a task has two weights.
        """
        check_types(self)
        check_counts(self, "window")
        check_positive(self, "rate", "softness")
        check_not_negative(self, "decay", "asymmetry")
        if not 0 <= self.radius < 1:
            raise InputError(f"radius is {self.radius}; give 0 to below 1.")
        named = [task for task, _ in self.weights]
        for task, weight in self.weights:
            if not 0 <= weight < float("inf"):
                raise InputError(f"The weight of {task} is {weight}; give 0 or more.")
            if named.count(task) > 1:
                raise InputError(f"Task {task} has two weights; give one.")


def method_of(weighting: str, aggregation: str) -> str:
    """The weighting or aggregation that needs equally many samples of every task.

    Empty if neither does.
    """
    if aggregation != "mean":
        return aggregation
    return "" if weighting == "fixed" else weighting


def check_together(
    sampling: str,
    weighting: str,
    aggregation: str,
    *,
    temperature: float,
    balancing: Balancing,
) -> None:
    """Checks that sampling, weighting and aggregation can be combined.

    Raises:
        InputError: If one would undo another.
    """
    if sampling in ("uniform", "proportional") and temperature != float("inf"):
        raise InputError(
            f"sampling '{sampling}' fixes the temperature, which is {temperature}; leave"
            " one of them out."
        )
    if balancing.weights and weighting != "fixed":
        raise InputError(
            f"balancing.weights are for weighting 'fixed', not '{weighting}', which learns"
            " its own; leave one of them out."
        )
    if weighting != "fixed" and aggregation != "mean":
        raise InputError(
            f"weighting '{weighting}' and aggregation '{aggregation}' would each set the"
            " weights of the tasks' gradients; leave one of them out."
        )
    vanishing = [task for task, weight in balancing.weights if weight == 0]
    if vanishing and aggregation != "mean":
        raise InputError(
            f"balancing.weights has 0 for {', '.join(vanishing)}, whose gradient vanishes;"
            f" some aggregations then find no step that is common to all tasks. Give more"
            f" than 0, or leave aggregation '{aggregation}' out."
        )
    method = method_of(weighting, aggregation)
    even = sampling in ("temperature", "uniform") and temperature == float("inf")
    if method and not even:
        raise InputError(
            f"'{method}' draws equally many samples of every task; leave sampling at"
            f" 'uniform' and temperature at inf, not '{sampling}' and {temperature}."
        )


def may_be_negative(loss: str) -> bool:
    """Whether the loss of a policy may be negative.

    Args:
        loss: Name of the loss; empty for a policy that has no choice of losses.
    """
    return bool(loss) and HEADS.get(loss).signed


def check_tasks(
    methods: Iterable[str], tasks: Sequence[str], *, batch_size: int, loss: str
) -> None:
    """Checks that methods of balancing fit the tasks, the batch size and the loss.

    Args:
        methods: Names of the methods in use; empty names are ignored.
        tasks: Names of the tasks.
        batch_size: Samples in a step.
        loss: Name of the policy's loss.

    Raises:
        InputError: If there is one task only, a batch has too few samples for all tasks,
            or a method that needs positive losses is used with a likelihood.
    """
    for name in filter(None, methods):
        if len(tasks) < 2:
            raise InputError(
                f"'{name}' compares tasks with each other, and there is only"
                f" {', '.join(tasks)}; leave it out, or give demonstrations of more tasks."
            )
        if name in POSITIVE and may_be_negative(loss):
            raise InputError(
                f"'{name}' needs losses above 0, and the policy's loss '{loss}' is a"
                " likelihood, which may be negative; train with loss 'l1' or 'l2', or"
                " leave it out."
            )
        if name != "validation_loss" and batch_size < len(tasks):
            raise InputError(
                f"A batch of {batch_size} cannot hold a sample of each of {len(tasks)} tasks,"
                f" which '{name}' needs; give batch_size {len(tasks)} or more."
            )
