"""The cells of a multi-task experiment: policies of arms, with their tasks and trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from robomtl.errors import InputError
from robomtl.evaluation.trials import plan as trials_plan
from robomtl.experiments.cells import Cell, Factors
from robomtl.experiments.multitask.arm_design import MultitaskRequest, suite_of
from robomtl.experiments.multitask.arms import Arm
from robomtl.joint import JointSuite
from robomtl.names import file_name
from robomtl.task import Suite

ALL = "all"
"""Value of ``ArmCell.learned`` for a policy of all tasks."""


@dataclass(frozen=True, kw_only=True)
class ArmCell(Cell):
    """A policy of an arm, with the tasks that it learns and the trials that it plays."""

    arm: str
    """Label of the arm."""
    learned: str
    """Name of the task or of the suite that is learned, or ``ALL``."""
    demonstrations: int
    """Demonstrations of each task."""
    seed: int
    """Seed of training."""
    tasks: tuple[str, ...]
    """Names of the tasks that the policy learns."""
    steps: int
    """Gradient steps."""
    samples: int
    """Samples of each task in a step."""
    data: str = ""
    """Hashes of the demonstrations of its tasks, separated by commas."""

    @property
    def name(self) -> str:
        """Arm, demonstrations, seed and task."""
        return f"{self.arm}/{self.demonstrations}/{self.seed}/{self.learned}"

    @property
    def factors(self) -> Factors:
        """Factors that distinguish the policies."""
        named = ("arm", "learned", "demonstrations", "seed")
        return {name: getattr(self, name) for name in named}

    @property
    def noted(self) -> Factors:
        """Hashes of the demonstrations that the policy learns from."""
        return {"data": self.data}

    @property
    def kind(self) -> str:
        """Name of the learned tasks, whose envs are slow to build."""
        return self.learned

    @property
    def units(self) -> int:
        """Number of gradient steps, the units of the progress line."""
        return self.steps

    @property
    def batch(self) -> int:
        """Samples in a gradient step: the same number of each of its tasks."""
        return self.samples * len(self.tasks)

    def run(self, folder: Path) -> Path:
        """The run directory of the policy."""
        return (
            folder
            / file_name(self.arm)
            / f"{self.demonstrations}-demonstrations"
            / f"seed-{self.seed}"
            / file_name(self.learned)
        )


def groups_of(
    arm: Arm, suite: Suite, tasks: tuple[str, ...], target: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """The tasks of each policy of an arm.

    Args:
        arm: Arm whose policies are meant.
        suite: Supplies the tasks.
        tasks: Names of all tasks that are learned.
        target: Names of the compared tasks; the others are only learned jointly with them.

    Raises:
        InputError: If the arm has a policy for each suite, and there is only one suite.
    """
    if arm.learned == "together":
        return [tasks]
    if arm.learned == "alone":
        return [(task,) for task in target]
    if not isinstance(suite, JointSuite):
        raise InputError(
            f"The arm {arm.base} trains a policy for each suite, and {suite.name} is a"
            " single suite; give a joint suite, such as joint/metaworld/MT10+points/MT4, or"
            " use the arm together."
        )
    by_suite: dict[str, tuple[str, ...]] = {}
    for task in target:
        name = suite_of(suite, task)
        by_suite[name] = (*by_suite.get(name, ()), task)
    return list(by_suite.values())


def plan(
    request: MultitaskRequest,
    arms: Mapping[str, Arm],
    tasks: tuple[str, ...],
    suite: Suite,
    target: tuple[str, ...],
) -> tuple[ArmCell, ...]:
    """The cells of an experiment, the longest first, so that workers finish together.

    All arms play the same trials: the first fresh ones of each compared task.
    """
    played = {t: trials_plan(suite, [t], episodes=request.trials) for t in target}
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
    """Name of the tasks that a policy learns."""
    if arm.learned == "together":
        return ALL
    return learned[0] if arm.learned == "alone" else suite_of(suite, learned[0])
