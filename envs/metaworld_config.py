"""Options of a Meta-World benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from robomtl.camera import Profile
from robomtl.ranges import check_counts, check_types, settings

Goals = Literal["observable", "hidden"]
Reward = Literal["success", "dense"]
Starts = Literal["fixed", "varied"]


@settings
@dataclass(frozen=True, kw_only=True)
class MetaWorldConfig:
    """Options of a benchmark, which ``robomtl.suite`` accepts by name."""

    goals: Goals | None = None
    """Whether states show the goal; None is ``hidden`` in ML, else ``observable``."""
    horizon: int = 500
    """Number of steps of an episode."""
    starts: Starts = "fixed"
    """Initial positions: with ``fixed``, each variation has its own goal, and the hand
    always starts at the same position; with ``varied``, many variations share a goal and
    differ in the start of the hand and of objects apart from the goal, as needed for
    few-shot inference of goals."""
    reward: Reward = "success"
    """``success``: 1 at steps with success, else 0; ``dense``: Meta-World's shaped reward
    from 0 to 10, which takes longer to compute."""
    upstream: bool = False
    """Whether to run Meta-World's own step, which is slower and gives the same results."""
    cameras: str | Sequence[str] = ()
    """Names of the cameras whose images are observed as ``image.NAME``, with the hand's
    position and the gripper's opening as ``proprioception`` beside them."""
    size: int | None = None
    """Width and height of these images [px]; None for 84."""
    profile: Profile | None = None
    """Rendering profile: ``fast``, the default, leaves out shadows, reflections and
    antialiasing, which ``faithful`` renders."""
    train_tasks: str | Sequence[str] = ()
    """Names of the tasks to train on; only for ``custom``."""
    held_out_tasks: str | Sequence[str] = ()
    """Names of the tasks held out for adaptation; only for ``custom``."""

    def __post_init__(self) -> None:
        """Checks the types and the horizon; the suite checks the rest.

        Raises:
            InputError: If an option has the wrong type or is out of range.
        """
        check_types(self)
        check_counts(self, "horizon")
