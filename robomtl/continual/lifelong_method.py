"""The contract of lifelong learning: a stage and the policy before it in, a policy out."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from robomtl.catalogue import Registry
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.continual.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Course:
    """The course of an experiment, by which a method is checked before training."""

    stages: int
    """Tasks that are learned one after the other."""
    demonstrations: int
    """Demonstrations of each task."""
    policy: str
    """Architecture."""
    conditioning: tuple[Kind, ...]
    """What the policy is conditioned on."""


class LifelongMethod(Protocol):
    """A way to learn a stream of tasks; a frozen dataclass of its hyper-parameters."""

    needs_id: ClassVar[bool]
    """Whether who acts depends on the identity of the task, beside its instruction."""
    at_once: ClassVar[bool]
    """Whether all tasks are learned together, when the last one has arrived."""

    def check(self, course: Course) -> None:
        """Refuses a course that the method does not fit.

        Raises:
            InputError: Naming what would fit.
        """
        ...

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """The policy that the next stage continues from; a finished one is only read.

        Args:
            stage: The task that is learned, and its demonstrations.
            before: What the stage before returned; None at the first.

        Raises:
            FloatingPointError: If the training diverges.
        """
        ...

    def acting(self, learned: TrainedPolicy, stage: Stage, task: str) -> TrainedPolicy:
        """The policy that acts on a task after a stage.

        Args:
            learned: What ``learn`` returned at the stage.
            stage: The last one that was learned.
            task: Name of the task, which may not have been learned yet.
        """
        ...


class OnePolicy:
    """The base of methods that keep one policy for all tasks."""

    needs_id: ClassVar[bool] = False
    at_once: ClassVar[bool] = False

    def check(self, course: Course) -> None:
        """Refuses nothing."""

    def acting(self, learned: TrainedPolicy, stage: Stage, task: str) -> TrainedPolicy:
        """The policy itself acts on every task."""
        return learned


LIFELONG: Registry[type[LifelongMethod]] = Registry(
    "lifelong method",
    "robomtl.lifelong_methods",
    {
        "agem": "robomtl.continual.agem:Agem",
        "ewc": "robomtl.continual.ewc:Ewc",
        "lora": "robomtl.continual.per_task:LoraPerTask",
        "multitask": "robomtl.continual.at_once:Multitask",
        "packnet": "robomtl.continual.packnet:Packnet",
        "replay": "robomtl.continual.experience_replay:Replay",
        "sequential": "robomtl.continual.plain_sequence:Sequential",
        "task_embedding": "robomtl.continual.per_task:EmbeddingPerTask",
    },
)
"""Ways to learn a stream of tasks: frozen dataclasses of a method's hyper-parameters."""
