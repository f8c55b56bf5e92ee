"""Which cells a multi-task experiment has, and what is equal in all of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robomtl.conditioning import Kind
from robomtl.errors import InputError
from robomtl.evaluation.trials import select
from robomtl.nearest import unknown
from robomtl.ranges import check_counts, check_not_negative, check_types
from robomtl.sharing.arms import BASELINE, BASES, EVERY, Arm, arm_of
from robomtl.sharing.cell import ALL, Cell
from robomtl.task import Suite

_LABEL = re.compile(r"[\w-]+")  # A dot parts a label from its settings.


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is equal for all arms of a multi-task experiment."""

    policy: str = "film"
    """Architecture."""
    conditioning: tuple[Kind, ...] = ("language",)
    """How policies are told their task; `none` for not at all."""
    demonstrations: tuple[int, ...] = (2, 5, 10, 25, 50)
    """Numbers of demonstrations of each task."""
    seeds: int = 1
    """Seeds of training."""
    tasks: tuple[str, ...] | None = None
    """Tasks to learn; the training tasks of the suite by default."""
    trials: int = 50
    """Trials of each task, the same for all arms."""
    steps: int = 4000
    """Gradient steps of a training."""
    samples: int = 32
    """Samples of each task in a gradient step."""
    affinity: int = 20
    """Measurements, in every training on all tasks, of how a step on one task changes
    the losses of the others; 0 for none. A policy that minimises a likelihood has
    none."""


@dataclass(frozen=True, kw_only=True)
class Asked(Design):
    """What a multi-task experiment is to find out."""

    arms: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in BASES}
    )
    """Ways to learn the tasks, by the labels that results show."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings that differ from the defaults, by label; those of ``every`` for all."""

    def __post_init__(self) -> None:
        """Checks the numbers and labels.

        Raises:
            InputError: If a number allows nothing or stands there twice, or a label is
                unknown.
        """
        check_types(self)
        if not self.arms:
            raise InputError(
                f"No arm was named; name at least 1 of {', '.join(BASES)}."
            )
        if EVERY in self.arms:
            raise InputError(
                f"An arm is called {EVERY}, which stands for all arms; give it another"
                " label."
            )
        for label in self.arms:
            if not _LABEL.fullmatch(label):
                raise InputError(
                    f"An arm is called '{label}', and a folder is to be: take letters,"
                    " digits, '-' and '_'."
                )
        for label in self.settings:
            if label not in (*self.arms, EVERY):
                raise InputError(unknown("arm to set", label, (*self.arms, EVERY)))
        check_not_negative(self, "affinity")
        check_counts(self, "seeds", "trials", "steps", "samples")
        if not self.demonstrations or min(self.demonstrations) < 1:
            raise InputError(
                f"demonstrations is {self.demonstrations}; give numbers of at least 1."
            )
        if len({*self.demonstrations}) < len(self.demonstrations):
            raise InputError(
                f"demonstrations names a number twice: {self.demonstrations}."
            )

    @property
    def baseline(self) -> str | None:
        """The label of the arm that others are compared with; None without one."""
        if self.arms.get(BASELINE) == BASELINE:
            return BASELINE
        return next((k for k, base in self.arms.items() if base == BASELINE), None)


def arms_of(asked: Asked) -> dict[str, Arm]:
    """The arms, by label.

    Raises:
        InputError: If one is unknown or cannot be set so, see ``arm_of``, or arms would
            train on unlike parts of the demonstrations.
    """
    every = asked.settings.get(EVERY, {})
    made = {
        label: arm_of(
            label,
            base,
            {**every, **asked.settings.get(label, {})},
            policy=asked.policy,
            conditioning=asked.conditioning,
            steps=asked.steps,
            affinity=asked.affinity,
        )
        for label, base in asked.arms.items()
    }
    if len({arm.training.validation for arm in made.values()}) > 1:
        parts = ", ".join(f"{k} {arm.training.validation}" for k, arm in made.items())
        raise InputError(
            f"Arms hold out unlike parts of the demonstrations for validation: {parts}."
            f" Set {EVERY}.training.validation, the same for all."
        )
    return made


def tasks_of(suite: Suite, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of the tasks to learn.

    Raises:
        InputError: If a name is unknown or twice there, or there is only one.
    """
    tasks = tuple(task.name for task in select(suite, names))
    if len(tasks) < 2:
        raise InputError(
            f"{suite.name} gives one task to learn, {', '.join(tasks)}, which can share"
            " nothing; give a suite of several, such as metaworld/MT10 or points/MT4, or"
            " name at least 2 tasks."
        )
    return tasks


def batch_of(asked: Asked, cell: Cell) -> int:
    """Samples in a gradient step of a cell: the same of each of its tasks."""
    return asked.samples * len(cell.tasks)


def plan(
    asked: Asked, arms: Mapping[str, Arm], tasks: tuple[str, ...]
) -> tuple[Cell, ...]:
    """The cells; those that take longest come first, so that no worker waits for them."""
    cells = [
        Cell(
            arm=label,
            demonstrations=count,
            seed=seed,
            tasks=learned,
            learned=ALL if arm.learned == "together" else learned[0],
        )
        for count in asked.demonstrations
        for seed in range(asked.seeds)
        for label, arm in arms.items()
        for learned in ([tasks] if arm.learned == "together" else [(t,) for t in tasks])
    ]
    _check_equal(asked, arms, cells)
    return tuple(sorted(cells, key=lambda cell: -len(cell.tasks)))


def _check_equal(asked: Asked, arms: Mapping[str, Arm], cells: list[Cell]) -> None:
    """Every arm has as many steps and gradient samples of each task as every other."""
    taken: dict[tuple[str, int, int, str], int] = {}
    for cell in cells:
        steps = arms[cell.arm].training.steps
        assert steps == asked.steps
        for task in cell.tasks:
            key = (cell.arm, cell.demonstrations, cell.seed, task)
            assert key not in taken, f"{cell.arm} learns {task} twice"
            taken[key] = steps * batch_of(asked, cell) // len(cell.tasks)
    assert {*taken.values()} == {asked.steps * asked.samples}
