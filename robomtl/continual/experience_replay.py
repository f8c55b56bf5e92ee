"""Experience replay: training also draws on kept episodes of every earlier task.

Source: Chaudhry et al. 2019, "On Tiny Episodic Memories in Continual Learning"
(arXiv:1902.10486). Departures:

1. Whole episodes are kept, the first of each task, not random single samples.
2. Tasks are sampled uniformly, the new one as often as each earlier one: with k tasks the
   new one has 1/k of a batch, where the paper gives it one half.
"""

from dataclasses import dataclass

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.lifelong_method import OnePolicy, StreamSetting
from robomtl.continual.stage import Stage
from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_types


@dataclass(frozen=True, kw_only=True)
class Buffered(OnePolicy):
    """Settings of methods that keep demonstrations of earlier tasks."""

    buffer: int = 100
    """Number of demonstrations kept of each earlier task."""

    def __post_init__(self) -> None:
        """Checks the size of the buffer.

        Raises:
            InputError: If the size is not a whole number of at least 1.
        """
        check_types(self)
        check_counts(self, "buffer")

    def check(self, setting: StreamSetting) -> None:
        """Checks that the buffer is not larger than the data.

        Raises:
            InputError: If it is larger.
        """
        if self.buffer > setting.demonstrations:
            raise InputError(
                f"A buffer of {self.buffer} demonstrations of each task is larger than"
                f" the data, {setting.demonstrations} of each; give a buffer of at most"
                f" {setting.demonstrations} (--settings METHOD.buffer=NUMBER), or more"
                " demonstrations."
            )

    def kept(self, stage: Stage) -> dict[str, int | None]:
        """Number of demonstrations kept, by earlier task."""
        return dict.fromkeys(stage.earlier, self.buffer)


@dataclass(frozen=True, kw_only=True)
class Replay(Buffered):
    """Trains on the new task and on kept demonstrations of the earlier ones."""

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Trains the policy on the new task and the buffer; see ``LifelongMethod``."""
        data = stage.first({**self.kept(stage), stage.task: None})
        return stage.train(data, before)
