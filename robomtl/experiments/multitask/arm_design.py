"""The design of a multi-task experiment: its cells, and what is equal in all of them."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl.conditioning import Kind
from robomtl.earlier import present_value
from robomtl.errors import InputError
from robomtl.evaluation.trials import select
from robomtl.experiments.cells import Cell, Factors
from robomtl.experiments.multitask.arms import (
    BASELINE,
    BASES,
    EVERY,
    USUAL,
    Arm,
    arm_of,
)
from robomtl.joint import JointSuite
from robomtl.names import file_name
from robomtl.nearest import check_known, unknown
from robomtl.ranges import check_counts, check_not_negative, check_types
from robomtl.task import Suite, Trial
from robomtl.terminal import say
from robomtl.training import TrainConfig

_LABEL = re.compile(r"[\w-]+")  # A dot parts a label from its settings.


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is equal for all arms of a multi-task experiment."""

    policy: str = "film"
    """Architecture."""
    conditioning: tuple[Kind, ...] = ("language",)
    """Conditioning of the policies; `none` for none."""
    demonstrations: tuple[int, ...] = (2, 5, 10, 25, 50)
    """Numbers of demonstrations of each task."""
    seeds: int = 1
    """Seeds of training."""
    tasks: tuple[str, ...] | None = None
    """Tasks to learn; the training tasks of the suite by default."""
    target: tuple[str, ...] | None = None
    """Tasks, or suites of a joint suite, that are played and compared; all by default. Of
    the others, which only policies of all tasks learn, there are source_demonstrations."""
    source_demonstrations: int | None = None
    """Demonstrations of each task that is not a target."""
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
class MultitaskRequest(Design):
    """What a multi-task experiment is to find out."""

    arms: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in USUAL}
    )
    """Ways to learn the tasks, by the labels that results show."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings that differ from the defaults, by label; those of ``every`` for all."""
    reference: str | None = None
    """Label of the arm that the others are compared with; by default that which learns
    alone."""

    def __post_init__(self) -> None:
        """Checks the numbers and labels.

        Raises:
            InputError: If a number allows nothing or is given twice, or a label is
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
            check_known("arm to set", label, (*self.arms, EVERY))
        check_not_negative(self, "affinity")
        check_counts(self, "seeds", "trials", "steps", "samples")
        if (self.target is None) != (self.source_demonstrations is None):
            raise InputError(
                "target names the tasks that are compared, and source_demonstrations says"
                " how many there are of each other task; give both, or none."
            )
        if not self.demonstrations or min(self.demonstrations) < 1:
            raise InputError(
                f"demonstrations is {self.demonstrations}; give numbers of at least 1."
            )
        if len({*self.demonstrations}) < len(self.demonstrations):
            raise InputError(
                f"demonstrations names a number twice: {self.demonstrations}."
            )
        self._take_present_names()

    def _take_present_names(self) -> None:
        """Gives arms their present names; a line on stderr has each."""
        found = {k: present_value("base", base) for k, base in self.arms.items()}
        for label, base in self.arms.items():
            if base != found[label]:
                say(f"The arm {base} is now {found[label]}.", stderr=True)
        object.__setattr__(self, "arms", found)

    def labelled_as(self, there: Collection[str]) -> "MultitaskRequest":
        """The request with the labels that an earlier version gave arms in a folder.

        Args:
            there: Labels of arms in the folder.
        """
        earlier = {present_value("base", label): label for label in there}
        labels = {
            label: earlier[label]
            for label, base in self.arms.items()
            if label == base and label not in there and label in earlier
        }
        return replace(
            self,
            arms={labels.get(k, k): base for k, base in self.arms.items()},
            settings={labels.get(k, k): some for k, some in self.settings.items()},
            reference=self.reference and labels.get(self.reference, self.reference),
        )

    def amounts(
        self, tasks: Sequence[str], target: Sequence[str], count: int
    ) -> dict[str, int]:
        """Demonstrations of each task, by its name.

        Args:
            tasks: Names of the tasks.
            target: Those that are compared.
            count: Demonstrations of each of them.
        """
        beside = self.source_demonstrations or count
        return {task: count if task in target else beside for task in tasks}

    @property
    def baseline(self) -> str | None:
        """The label of the arm that others are compared with; None without one."""
        if self.reference in self.arms:
            return self.reference
        if self.arms.get(BASELINE) == BASELINE:
            return BASELINE
        return next((k for k, base in self.arms.items() if base == BASELINE), None)


Asked = MultitaskRequest
"""Its earlier name."""


def arms_of(request: MultitaskRequest) -> dict[str, Arm]:
    """The arms, by label.

    Raises:
        InputError: If one is unknown or cannot be set so, see ``arm_of``, or arms would
            train on unlike parts of the demonstrations.
    """
    every = request.settings.get(EVERY, {})
    usual = Arm(
        base=BASELINE,
        learned="alone",
        divided=False,
        policy=request.policy,
        policy_config={},
        conditioning=request.conditioning,
        data=None,
        training=TrainConfig(steps=request.steps, validation=0.0, threads=1),
    )
    made = {
        label: arm_of(
            label,
            base,
            {**every, **request.settings.get(label, {})},
            usual=usual,
            affinity=request.affinity,
        )
        for label, base in request.arms.items()
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


def targets_of(
    suite: Suite, tasks: tuple[str, ...], names: tuple[str, ...] | None
) -> tuple[str, ...]:
    """The tasks that are compared.

    Args:
        suite: Supplies the tasks; a joint one may be named by its suites.
        tasks: Names of those that are learned.
        names: Of tasks or suites; None for all tasks.

    Raises:
        InputError: If a name is unknown.
    """
    if names is None:
        return tasks
    suites = [it.name for it in suite.suites] if isinstance(suite, JointSuite) else []
    for name in names:
        if name not in (*tasks, *suites):
            raise InputError(unknown("target", name, (*suites, *tasks)))
    return tuple(t for t in tasks if t in names or suite_of(suite, t) in names)


def suite_of(suite: Suite, task: str) -> str:
    """Name of the suite of a task, in a joint suite that of its own."""
    if isinstance(suite, JointSuite):
        return suite.origin(task)[0].name
    return suite.name


def groups_of(
    arm: Arm, suite: Suite, tasks: tuple[str, ...], target: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """The tasks of each policy of an arm.

    Args:
        arm: Whose policies.
        suite: Supplies the tasks.
        tasks: Names of all that are learned.
        target: Those that are compared: the others are only learned together with them.

    Raises:
        InputError: If the arm has a policy for each suite, and there is one suite.
    """
    if arm.learned == "together":
        return [tasks]
    if arm.learned == "alone":
        return [(task,) for task in target]
    if not isinstance(suite, JointSuite):
        raise InputError(
            f"The arm {arm.base} trains a policy for each suite, and {suite.name} is one;"
            " give a joint suite, such as joint/metaworld/MT10+points/MT4, or take together."
        )
    found: dict[str, tuple[str, ...]] = {}
    for task in target:
        name = suite_of(suite, task)
        found[name] = (*found.get(name, ()), task)
    return list(found.values())


ALL = "all"
"""In place of a task's name, for a policy of all tasks."""


@dataclass(frozen=True, kw_only=True)
class ArmCell(Cell):
    """A policy of an arm, and the tasks it learns and plays."""

    arm: str
    """Label of the arm."""
    learned: str
    """The name of the task or of the suite, or ``ALL``."""
    demonstrations: int
    """Of each task."""
    seed: int
    """Of training."""
    tasks: tuple[str, ...]
    """Names of what it learns."""
    steps: int
    """Gradient steps."""
    samples: int
    """Samples of each task in a step."""
    data: str = ""
    """Hashes of its demonstrations, with commas between them."""

    @property
    def name(self) -> str:
        """Arm, demonstrations, seed and task."""
        return f"{self.arm}/{self.demonstrations}/{self.seed}/{self.learned}"

    @property
    def factors(self) -> Factors:
        """What policies differ in."""
        named = ("arm", "learned", "demonstrations", "seed")
        return {name: getattr(self, name) for name in named}

    @property
    def noted(self) -> Factors:
        """What it learns from."""
        return {"data": self.data}

    @property
    def kind(self) -> str:
        """The envs of its tasks are slow to build."""
        return self.learned

    @property
    def units(self) -> int:
        """A step takes as long as it has samples."""
        return len(self.tasks) * self.steps

    @property
    def batch(self) -> int:
        """Samples in a gradient step: the same of each of its tasks."""
        return self.samples * len(self.tasks)

    def run(self, folder: Path) -> Path:
        """Its run directory."""
        return (
            folder
            / file_name(self.arm)
            / f"{self.demonstrations}-demonstrations"
            / f"seed-{self.seed}"
            / file_name(self.learned)
        )


def plan(
    request: MultitaskRequest,
    arms: Mapping[str, Arm],
    tasks: tuple[str, ...],
    suite: Suite,
    target: tuple[str, ...],
) -> tuple[ArmCell, ...]:
    """The cells; those that take longest come first, so that no worker waits for them.

    All arms play the same trials: the first fresh ones of each task that is compared.
    """
    played = {
        task: [
            Trial(suite.name, task, variation)
            for variation in suite.variations(task, "fresh")[: request.trials]
        ]
        for task in target
    }
    cells = [
        ArmCell(
            arm=label,
            demonstrations=count,
            seed=seed,
            tasks=learned,
            learned=_named(arm, suite, learned),
            trials=tuple(trial for t in learned for trial in played.get(t, ())),
            steps=request.steps,
            samples=request.samples,
        )
        for count in request.demonstrations
        for seed in range(request.seeds)
        for label, arm in arms.items()
        for learned in groups_of(arm, suite, tasks, target)
    ]
    return tuple(sorted(cells, key=lambda cell: -len(cell.tasks)))


def _named(arm: Arm, suite: Suite, learned: tuple[str, ...]) -> str:
    """What a policy learns, in a word."""
    if arm.learned == "together":
        return ALL
    return learned[0] if arm.learned == "alone" else suite_of(suite, learned[0])
