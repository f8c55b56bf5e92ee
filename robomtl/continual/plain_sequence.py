"""Sequential fine-tuning: training continues on each new task."""

from dataclasses import dataclass

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.lifelong_method import OnePolicy
from robomtl.continual.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Sequential(OnePolicy):
    """Trains on the new task alone, without any protection of earlier ones.

    It is the lower bound of lifelong methods.
    """

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Trains the policy on the new task; see ``LifelongMethod``."""
        return stage.train(stage.first({stage.task: None}), before)
