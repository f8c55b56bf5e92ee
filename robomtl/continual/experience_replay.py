"""Experience replay: some episodes of every earlier task are learned again.

Source: Chaudhry et al. 2019, "On Tiny Episodic Memories in Continual Learning"
(arXiv:1902.10486). Departures:

1. Whole episodes are kept, the first of each task, not single samples at random.
2. Tasks are drawn uniformly, the new one as often as each earlier one: with k tasks the
   new one has 1/k of a batch, where the paper gives it one half.
"""

from dataclasses import dataclass

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.lifelong_method import Course, OnePolicy
from robomtl.continual.stage import Stage
from robomtl.errors import InputError
from robomtl.ranges import check_counts, check_types


@dataclass(frozen=True, kw_only=True)
class Buffered(OnePolicy):
    """Settings of methods that keep demonstrations of earlier tasks."""

    buffer: int = 100
    """Demonstrations kept of each earlier task."""

    def __post_init__(self) -> None:
        """Checks the size of the buffer.

        Raises:
            InputError: If it is not a whole number of at least 1.
        """
        check_types(self)
        check_counts(self, "buffer")

    def check(self, course: Course) -> None:
        """Refuses a buffer of more demonstrations than there are.

        Raises:
            InputError: If it has.
        """
        if self.buffer > course.demonstrations:
            raise InputError(
                f"A buffer of {self.buffer} demonstrations of each task is larger than"
                f" the data, {course.demonstrations} of each; give a buffer of at most"
                f" {course.demonstrations} (--settings METHOD.buffer=NUMBER), or more"
                " demonstrations."
            )

    def kept(self, stage: Stage) -> dict[str, int | None]:
        """Number of demonstrations kept, by earlier task."""
        return dict.fromkeys(stage.earlier, self.buffer)


@dataclass(frozen=True, kw_only=True)
class Replay(Buffered):
    """Trains on the new task and on kept demonstrations of the earlier ones."""

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """The policy after the new task; see ``LifelongMethod``."""
        data = stage.first({**self.kept(stage), stage.task: None})
        return stage.train(data, before)
