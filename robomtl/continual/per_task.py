"""A frozen policy and, for each later task, a few weights of its own.

The first task trains the whole policy. Each later one is adapted to from there, by a method
of ``robomtl adapt`` that leaves the policy as it is: nothing can be forgotten, and nothing
that a later task learned helps another. Who acts is chosen by the task's identity.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from robomtl import checkpoint
from robomtl.adaptation import Budget, Support, adapt
from robomtl.adaptation.method import Method
from robomtl.adaptation.methods.lora import Lora
from robomtl.adaptation.methods.task_embedding import TaskEmbedding
from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.kept_policy import kept_policy
from robomtl.continual.lifelong_method import Course
from robomtl.continual.stage import Stage
from robomtl.errors import InputError
from robomtl.execution.machine import Machine
from robomtl.files.request import plain

_SETTINGS = "steps", "batch_size", "seed", "precision"


class PerTask(ABC):
    """The base of methods that adapt one frozen policy to each task."""

    needs_id: ClassVar[bool] = True
    at_once: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Checks the settings, which are those of the adaptation.

        Raises:
            InputError: If one is out of range.
        """
        _ = self.adaptation

    @property
    @abstractmethod
    def adaptation(self) -> Method:
        """Adapts the policy of the first task to a later one."""

    def check(self, course: Course) -> None:
        """Refuses a conditioning that adaptation does not take.

        Raises:
            InputError: If the policy is conditioned on a one-hot code.
        """
        if "one_hot" in course.conditioning:
            raise InputError(
                "the policy of the first task is adapted to each later one, whose one-hot"
                " code was never trained; condition on language or goal."
            )

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """The policy of the first task; each later task gets its own beside it."""
        if before is None:
            return stage.train(stage.first({stage.task: None}), None)
        kept_policy(
            stage.run,
            self._settings(stage, before),
            lambda: self._adapted(stage, before),
        )
        return before

    def _adapted(self, stage: Stage, before: TrainedPolicy) -> TrainedPolicy:
        training = stage.training
        machine = Machine(device=training.device, precision=training.precision)
        return adapt(
            before,
            Support(demonstrations=stage.data.select([stage.task])),
            method=self.adaptation,
            budget=Budget(
                steps=training.steps, batch_size=training.batch_size, machine=machine
            ),
            seed=training.seed,
        )

    def _settings(self, stage: Stage, before: TrainedPolicy) -> dict[str, Any]:
        """Everything that decides the policy of a later task, besides the processor."""
        training = stage.training
        return {
            "start": before.fingerprint,
            "data": stage.data.select([stage.task]).fingerprint,
            "method": plain(self),
            **{name: getattr(training, name) for name in _SETTINGS},
        }

    def acting(self, learned: TrainedPolicy, stage: Stage, task: str) -> TrainedPolicy:
        """The task's own policy; that of the first task until it is learned."""
        own = stage.stage_of(task)
        return learned if own is None or not own.number else checkpoint.load(own.run)


@dataclass(frozen=True, kw_only=True)
class LoraPerTask(PerTask):
    """Adds matrices of low rank to the policy of the first task, for each later one."""

    rank: int = 16
    """Rank of what is added to each layer."""
    alpha: float = 16.0
    """What is added is scaled by alpha / rank."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW; it falls along half a cosine."""

    @property
    def adaptation(self) -> Method:
        """Low-rank adaptation of every linear layer."""
        return Lora(rank=self.rank, alpha=self.alpha, learning_rate=self.learning_rate)


@dataclass(frozen=True, kw_only=True)
class EmbeddingPerTask(PerTask):
    """Keeps the trunk of the first task, and trains an encoder of each later task."""

    learning_rate: float = 2e-3
    """Peak learning rate of AdamW; it falls along half a cosine."""

    @property
    def adaptation(self) -> Method:
        """Adapts the task's encoder and its modulation of the trunk alone."""
        return TaskEmbedding(learning_rate=self.learning_rate)
