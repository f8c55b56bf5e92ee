"""Sequential fine-tuning: each task is learned where the one before ended."""

from dataclasses import dataclass

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.lifelong_method import OnePolicy
from robomtl.continual.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Sequential(OnePolicy):
    """Trains on the new task alone, and keeps nothing: the lower bound."""

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """The policy after the new task; see ``LifelongMethod``."""
        return stage.train(stage.first({stage.task: None}), before)
