"""The design of a lifelong experiment: settings common to all methods, and cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from robomtl.conditioning import Kind
from robomtl.continual.stage import Normalisation
from robomtl.errors import InputError
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.experiments.cells import Cell, Factors
from robomtl.experiments.lifelong.streams import ordered
from robomtl.experiments.lifelong.variants import TaskId, Usual, Variant, variant_of
from robomtl.experiments.settings import EVERY, settings_of
from robomtl.names import file_name
from robomtl.nearest import check_known
from robomtl.ranges import check_counts, check_repetitions, check_types, settings
from robomtl.task import Suite
from robomtl.training import TrainConfig

USUAL = ("sequential", "replay", "ewc", "agem", "packnet", "lora", "multitask")
"""Methods that are compared by default."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """Settings shared by all methods of a lifelong experiment."""

    policy: str = "film"
    """Registered name of the architecture."""
    conditioning: tuple[Kind, ...] = ("language",)
    """Conditioning of the policies."""
    task_id: TaskId = "given"
    """Whether the identity of the task is known at test: with `withheld`, policies have
    only the instruction or the goal, and methods that need the identity are refused."""
    normaliser: Normalisation = "all"
    """Source of the statistics that standardise observations: demonstrations of all tasks,
    of the first task (first), or those of the current stage (per_task)."""
    demonstrations: int = 100
    """Demonstrations of each task."""
    trials: int = 20
    """Trials of each task after each stage, the same for all methods."""
    steps: int = 2000
    """Gradient steps for each task."""
    batch_size: int = 128
    """Samples in a gradient step."""
    seeds: int = 1
    """Number of training seeds."""
    orders: int = 1
    """Number of orders of the stream: the given one, then permutations of it."""


@settings
@dataclass(frozen=True, kw_only=True)
class LifelongRequest(Design):
    """The request for a lifelong experiment."""

    methods: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in USUAL}
    )
    """Registered names of the methods, by the labels that results show."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings that differ from the defaults, by label; the label ``every`` sets all."""
    stream: tuple[str, ...] | None = None
    """Names of the tasks in the order of learning; the suite's training tasks if None."""

    def __post_init__(self) -> None:
        """Checks the numbers and labels.

        Raises:
            InputError: If a number is below 1, or a label is unknown.
        """
        check_types(self)
        if not self.methods:
            raise InputError(
                f"No method was named; name at least 1 of {', '.join(USUAL)}."
            )
        for label in self.settings:
            check_known("method to set", label, (*self.methods, EVERY))
        check_counts(self, "demonstrations", "trials", "steps", "batch_size")
        check_repetitions(self, "seeds", "orders")


def variants_of(request: LifelongRequest) -> dict[str, Variant]:
    """The methods with their settings, by label.

    Raises:
        InputError: If a method or a setting is unknown, or a value is out of range.
    """
    usual = Usual(
        policy=request.policy,
        conditioning=request.conditioning,
        training=TrainConfig(
            steps=request.steps,
            batch_size=request.batch_size,
            validation=0.0,
            threads=1,
        ),
        normaliser=request.normaliser,
    )
    return {
        label: variant_of(label, name, settings_of(label, request.settings), usual)
        for label, name in request.methods.items()
    }


@dataclass(frozen=True, kw_only=True)
class StreamCell(Cell):
    """A run of a method on a stream, in one order and with one seed."""

    method: str
    """Label of the method."""
    order: int
    """Number of the order."""
    seed: int
    """Seed of training."""
    stream: tuple[str, ...]
    """Names of the tasks in this order."""
    learned: tuple[int, ...]
    """Number of completed stages when each trial is played."""

    @property
    def name(self) -> str:
        """Method, order and seed."""
        return f"{self.method}/{self.order}/{self.seed}"

    @property
    def factors(self) -> Factors:
        """Method, order and seed, which distinguish the runs."""
        return {"method": self.method, "order": self.order, "seed": self.seed}

    def factors_of(self, place: int) -> Factors:
        """Method, order, seed and the number of completed stages of a trial."""
        return {**self.factors, "learned": self.learned[place]}

    def run(self, folder: Path) -> Path:
        """Folder of the run directories of the cell's stages."""
        return (
            folder
            / file_name(self.method)
            / f"order-{self.order}"
            / f"seed-{self.seed}"
        )


def plan(
    request: LifelongRequest,
    variants: Mapping[str, Variant],
    stream: Sequence[str],
    suite: Suite,
) -> tuple[StreamCell, ...]:
    """The cells of an experiment; all methods play the same trials.

    After each stage a cell plays the tasks learned so far and the next task.
    """
    trials = {
        task: trials_plan(suite, [task], episodes=request.trials)
        for task in dict.fromkeys(stream)
    }
    cells = []
    runs = product(range(request.orders), range(request.seeds), variants)
    for order, seed, label in runs:
        tasks = ordered(stream, order)
        played = played_tasks(tasks, at_once=variants[label].method.at_once)
        pairs = [
            (stage, trial)
            for stage, some in played.items()
            for task in some
            for trial in trials[task]
        ]
        cell = StreamCell(
            method=label,
            order=order,
            seed=seed,
            stream=tasks,
            trials=tuple(trial for _, trial in pairs),
            learned=tuple(stage for stage, _ in pairs),
        )
        cells.append(cell)
    return tuple(cells)


def played_tasks(stream: Sequence[str], *, at_once: bool) -> dict[int, tuple[str, ...]]:
    """Names of the tasks that are played, by number of completed stages.

    Args:
        stream: Names of the tasks in the order of learning.
        at_once: Whether all tasks are learned together at the end, so that nothing is
            played before.
    """
    number = len(stream)
    if at_once:
        return {number: tuple(dict.fromkeys(stream))}
    return {
        stage: tuple(dict.fromkeys(stream[: stage + 1]))
        for stage in range(1, number + 1)
    }
