"""The protocol of lifelong methods: they map a stage and an earlier policy to a policy."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

from robomtl.catalogue import Registry
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Kind
from robomtl.continual.stage import Stage


@dataclass(frozen=True, kw_only=True)
class StreamSetting:
    """Conditions of an experiment against which a method is checked before training."""

    stages: int
    """Number of tasks that are learned one after the other."""
    demonstrations: int
    """Demonstrations of each task."""
    policy: str
    """Registered name of the architecture."""
    conditioning: tuple[Kind, ...]
    """Conditioning of the policy."""


class LifelongMethod(Protocol):
    """A method that learns a stream of tasks; a frozen dataclass of hyper-parameters."""

    needs_id: ClassVar[bool]
    """Whether the acting policy depends on the identity of the task at test."""
    at_once: ClassVar[bool]
    """Whether all tasks are learned together, after the last one has arrived."""

    def check(self, setting: StreamSetting) -> None:
        """Checks that the method fits a setting.

        Raises:
            InputError: If it does not, naming what would fit.
        """
        ...

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Learns the task of a stage; a finished stage is read, not trained again.

        Args:
            stage: Task that is learned, and its demonstrations.
            before: Policy returned by the stage before; None at the first.

        Returns:
            The policy that the next stage continues from.

        Raises:
            FloatingPointError: If the training diverges.
        """
        ...

    def acting(self, learned: TrainedPolicy, stage: Stage, task: str) -> TrainedPolicy:
        """The policy that acts on a task after a stage.

        Args:
            learned: Policy returned by ``learn`` at the stage.
            stage: Last stage that was learned.
            task: Name of the task, which may not have been learned yet.
        """
        ...


class OnePolicy:
    """Base of the methods that keep one policy for all tasks."""

    needs_id: ClassVar[bool] = False
    at_once: ClassVar[bool] = False

    def check(self, setting: StreamSetting) -> None:
        """Accepts every setting."""

    def acting(self, learned: TrainedPolicy, stage: Stage, task: str) -> TrainedPolicy:
        """The learned policy, which acts on every task."""
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
"""Lifelong methods by name: frozen dataclasses of hyper-parameters."""
