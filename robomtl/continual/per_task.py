"""Adaptation per task: a frozen policy, and a few additional weights for each later task.

The first task trains the whole policy. That policy is adapted to each later task by a
method of ``robomtl adapt`` that does not change the policy itself: nothing is forgotten, and
later tasks do not help each other. The weights that act are chosen by the task's identity.
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
from robomtl.continual.lifelong_method import StreamSetting
from robomtl.continual.stage import Stage
from robomtl.errors import InputError
from robomtl.execution.machine import Machine
from robomtl.files.request import plain

_SETTINGS = "steps", "batch_size", "seed", "precision"


class PerTask(ABC):
    """Base of the methods that adapt one frozen policy to each task."""

    needs_id: ClassVar[bool] = True
    at_once: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Checks the settings, by constructing the adaptation method.

        Raises:
            InputError: If a setting is out of range.
        """
        _ = self.adaptation

    @property
    @abstractmethod
    def adaptation(self) -> Method:
        """Method that adapts the policy of the first task to a later one."""

    def check(self, setting: StreamSetting) -> None:
        """Checks that adaptation supports the conditioning.

        Raises:
            InputError: If the policy is conditioned on a one-hot code.
        """
        if "one_hot" in setting.conditioning:
            raise InputError(
                "the policy of the first task is adapted to each later one, whose one-hot"
                " code was never trained; condition on language or goal."
            )

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Trains the first task's policy, or adapts it to a later task and saves that.

        Returns:
            The policy of the first task.
        """
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
        """All that determines the policy of a later task, besides the processor."""
        training = stage.training
        return {
            "start": before.fingerprint,
            "data": stage.data.select([stage.task]).fingerprint,
            "method": plain(self),
            **{name: getattr(training, name) for name in _SETTINGS},
        }

    def acting(self, learned: TrainedPolicy, stage: Stage, task: str) -> TrainedPolicy:
        """The policy adapted to the task; until it is learned, that of the first task."""
        own = stage.stage_of(task)
        return learned if own is None or not own.number else checkpoint.load(own.run)


@dataclass(frozen=True, kw_only=True)
class LoraPerTask(PerTask):
    """Adds low-rank matrices to the policy of the first task, for each later task."""

    rank: int = 16
    """Rank of the matrix that is added to each layer."""
    alpha: float = 16.0
    """Numerator of the scale alpha / rank of the added matrices."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW, which decays along half a cosine."""

    @property
    def adaptation(self) -> Method:
        """Low-rank adaptation of every linear layer."""
        return Lora(rank=self.rank, alpha=self.alpha, learning_rate=self.learning_rate)


@dataclass(frozen=True, kw_only=True)
class EmbeddingPerTask(PerTask):
    """Freezes the trunk after the first task, and trains an encoder for each later task."""

    learning_rate: float = 2e-3
    """Peak learning rate of AdamW, which decays along half a cosine."""

    @property
    def adaptation(self) -> Method:
        """Adaptation of the task encoder and of its modulation of the trunk."""
        return TaskEmbedding(learning_rate=self.learning_rate)
