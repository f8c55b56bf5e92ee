"""The design of a multi-task experiment: settings common to all arms, arms and tasks."""

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

_LABEL = re.compile(r"[\w-]+")  # A dot separates a label from the name of a setting.


@dataclass(frozen=True, kw_only=True)
class Design:
    """Settings shared by all arms of a multi-task experiment."""

    policy: str = "film"
    """Registered name of the architecture."""
    conditioning: tuple[Kind, ...] = ("language",)
    """Conditioning of the policies; `none` for none."""
    demonstrations: tuple[int, ...] = (2, 5, 10, 25, 50)
    """Numbers of demonstrations of each task."""
    seeds: int = 1
    """Number of training seeds."""
    tasks: tuple[str, ...] | None = None
    """Tasks to learn; the training tasks of the suite by default."""
    target: tuple[str, ...] | None = None
    """Tasks, or suites of a joint suite, that are played and compared; all by default. The
    other tasks are learned by policies of all tasks only, from source_demonstrations."""
    source_demonstrations: int | None = None
    """Demonstrations of each task that is not a target."""
    trials: int = 50
    """Trials of each task, the same for all arms."""
    steps: int = 4000
    """Gradient steps of a training."""
    samples: int = 32
    """Samples of each task in a gradient step."""
    affinity: int = 20
    """Number of measurements, in every training on all tasks, of the effect of a step on
    one task on the losses of the others; 0 for none. Affinity is not measured for policies
    that maximise a likelihood."""
    reference: str | None = None
    """Label of the arm that the others are compared with; single-task training (alone) by
    default."""


@settings
@dataclass(frozen=True, kw_only=True)
class MultitaskRequest(Design):
    """The request for a multi-task experiment."""

    arms: Mapping[str, str] = field(
        default_factory=lambda: {name: name for name in USUAL}
    )
    """Names of arms in ``BASES``, by the labels that results show."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings that differ from the defaults, by label; the label ``every`` sets all."""

    def __post_init__(self) -> None:
        """Checks the numbers and labels.

        Raises:
            InputError: If a number is out of range or given twice, or a label is unknown.
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
                f"The label {EVERY} addresses all arms in settings; give the arm another"
                " label."
            )
        for label in self.arms:
            if not _LABEL.fullmatch(label):
                raise InputError(
                    f"The label of an arm is '{label}', which also names a folder; use"
                    " letters, digits, '-' and '_' only."
                )
        for label in self.settings:
            check_known("arm to set", label, (*self.arms, EVERY))
        if self.reference is not None:
            check_known("arm to compare with", self.reference, self.arms)

    def _check_demonstrations(self) -> None:
        if (self.target is None) != (self.source_demonstrations is None):
            raise InputError(
                "target names the tasks that are compared, and source_demonstrations is the"
                " number of demonstrations of each other task; give both or neither."
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
        """Replaces earlier names of arms by their present ones, and reports each."""
        present = {k: present_value("base", base) for k, base in self.arms.items()}
        for label, base in self.arms.items():
            if base != present[label]:
                say(f"The arm {base} is now {present[label]}.", stderr=True)
        object.__setattr__(self, "arms", present)

    def labelled_as(self, existing: Collection[str]) -> "MultitaskRequest":
        """The request with labels under which an earlier version began it in a folder.

        Args:
            existing: Labels of arms in the folder.
        """
        earlier = {present_value("base", label): label for label in existing}
        labels = {
            label: earlier[label]
            for label, base in self.arms.items()
            if label == base and label not in existing and label in earlier
        }
        return replace(
            self,
            arms={labels.get(k, k): base for k, base in self.arms.items()},
            settings={labels.get(k, k): some for k, some in self.settings.items()},
            reference=self.reference and labels.get(self.reference, self.reference),
        )

    def demonstration_counts(
        self, tasks: Sequence[str], target: Sequence[str], count: int
    ) -> dict[str, int]:
        """Number of demonstrations of each task, by its name.

        Args:
            tasks: Names of the tasks.
            target: Names of the compared tasks.
            count: Demonstrations of each compared task.
        """
        beside = self.source_demonstrations or count
        return {task: count if task in target else beside for task in tasks}

    @property
    def baseline(self) -> str | None:
        """Label of the arm that the others are compared with; None without one."""
        if self.reference is not None:
            return self.reference
        if self.arms.get(BASELINE) == BASELINE:
            return BASELINE
        return next((k for k, base in self.arms.items() if base == BASELINE), None)


Asked = MultitaskRequest
"""Earlier name of ``MultitaskRequest``."""


def arms_of(request: MultitaskRequest) -> dict[str, Arm]:
    """The arms, by label.

    Raises:
        InputError: If an arm or a setting is refused by ``arm_of``, or arms would hold out
            different fractions of the demonstrations.
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
        values = ", ".join(f"{k} {arm.training.validation}" for k, arm in made.items())
        raise InputError(
            "Arms hold out different fractions of the demonstrations for validation:"
            f" {values}. Set {EVERY}.training.validation, the same for all."
        )
    return made


def tasks_of(suite: Suite, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Names of the tasks to learn.

    Raises:
        InputError: If a name is unknown or occurs twice, or there is only one task.
    """
    tasks = tuple(task.name for task in select(suite, names))
    if len(tasks) < 2:
        raise InputError(
            f"{suite.name} gives only one task to learn, {', '.join(tasks)}; give a suite"
            " of several tasks, such as metaworld/MT10 or points/MT4, or name at least 2"
            " tasks."
        )
    return tasks


def targets_of(
    suite: Suite, tasks: tuple[str, ...], names: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Names of the tasks that are compared.

    Args:
        suite: Supplies the tasks.
        tasks: Names of the learned tasks.
        names: Names of tasks, or of suites in a joint suite; None for all tasks.

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
    """Name of a task's suite; in a joint suite, of the suite that the task is from."""
    if isinstance(suite, JointSuite):
        return suite.origin(task)[0].name
    return suite.name
