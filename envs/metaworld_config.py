"""Options of a benchmark of Meta-World."""

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
    """Options of a benchmark; each is an option of ``robomtl.suite`` by its name."""

    goals: Goals | None = None
    """Whether states hold the goal; None is ``hidden`` in ML and else ``observable``."""
    horizon: int = 500
    """Number of steps of an episode."""
    starts: Starts = "fixed"
    """With ``fixed``, each variation has its own goal, and the hand starts at one position;
    with ``varied``, many variations share a goal and differ in the start of the hand and
    of objects that are apart from the goal, as few-shot inference of goals needs them."""
    reward: Reward = "success"
    """``success``: 1 at steps of success, else 0; ``dense``: Meta-World's shaped reward
    from 0 to 10, which takes longer to compute."""
    upstream: bool = False
    """Whether to run Meta-World's own step, which is slower and gives the same results."""
    cameras: str | Sequence[str] = ()
    """Names of the cameras whose pictures observations hold, as ``image.NAME``, beside
    the hand's position and the gripper's opening, ``proprioception``."""
    size: int | None = None
    """Width and height of these pictures, 84 unless given [px]."""
    profile: Profile | None = None
    """``fast``, the default, draws no shadows, reflections and smooth edges; ``faithful``
    draws them."""
    train_tasks: str | Sequence[str] = ()
    """Names of the tasks to train on, of ``custom`` only."""
    held_out_tasks: str | Sequence[str] = ()
    """Names of the tasks kept for adaptation, of ``custom`` only."""

    def __post_init__(self) -> None:
        """Checks what can be checked without the variant.

        Raises:
            InputError: If an option is of another type or not allowed.
        """
        check_types(self)
        check_counts(self, "horizon")
