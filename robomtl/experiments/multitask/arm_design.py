"""The design of a multi-task experiment: its arms and tasks, and what is equal in all."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from robomtl.conditioning import Kind
from robomtl.earlier import present_value
from robomtl.errors import InputError
from robomtl.evaluation.trials import select
from robomtl.experiments.multitask.arms import (
    BASELINE,
    BASES,
    USUAL,
    Arm,
    arm_of,
)
from robomtl.experiments.settings import EVERY, settings_of
from robomtl.joint import JointSuite
from robomtl.nearest import check_known, unknown
from robomtl.ranges import (
    check_counts,
    check_not_negative,
    check_repetitions,
    check_types,
    settings,
)
from robomtl.task import Suite
from robomtl.terminal import say
from robomtl.training import TrainConfig

_LABEL = re.compile(r"[\w-]+")  # A dot parts a label from its settings.


@dataclass(frozen=True, kw_only=True)
class Design:
    """Settings that are equal for all arms of a multi-task experiment."""

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
    reference: str | None = None
    """Label of the arm that the others are compared with; by default that which learns
    alone."""


@settings
@dataclass(frozen=True, kw_only=True)
class MultitaskRequest(Design):
    """The request for a multi-task experiment."""

    arms: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in USUAL}
    )
    """Ways to learn the tasks, by the labels that results show."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings that differ from the defaults, by label; those of ``every`` for all."""

    def __post_init__(self) -> None:
        """Checks the numbers and labels.

        Raises:
            InputError: If a number allows nothing or is given twice, or a label is
                unknown.
        """
        check_types(self)
        self._check_labels()
        check_not_negative(self, "affinity")
        check_counts(self, "trials", "steps", "samples")
        check_repetitions(self, "seeds")
        self._check_demonstrations()
        self._take_present_names()

    def _check_labels(self) -> None:
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
        if self.reference is not None:
            check_known("arm to compare with", self.reference, self.arms)

    def _check_demonstrations(self) -> None:
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
        if self.reference is not None:
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
            settings_of(label, request.settings),
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
