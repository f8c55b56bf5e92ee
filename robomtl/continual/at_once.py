"""Multi-task learning: the upper bound for methods that learn one task after another."""

from dataclasses import dataclass, replace
from typing import ClassVar

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.lifelong_method import OnePolicy
from robomtl.continual.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Multitask(OnePolicy):
    """Trains on all tasks together, for the steps of all stages."""

    at_once: ClassVar[bool] = True

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Trains the policy of all tasks; see ``LifelongMethod``."""
        steps = stage.training.steps * len(stage.stream)
        config = replace(stage.training, steps=steps)
        return stage.train(stage.data, before, config=config)
