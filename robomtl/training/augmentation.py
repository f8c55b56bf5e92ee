"""Settings of augmentation: samples are translated, rotated, mirrored, masked, relabelled.

Sources: symmetries of the scene as data augmentation; hindsight goal relabelling
(Andrychowicz et al. 2017, arXiv:1707.01495; for cloning, Ghosh et al. 2021, GCSL,
arXiv:1912.06088); new action labels for each problem (Rajendran et al. 2020, "Meta-Learning
Requires Meta-Augmentation", arXiv:2007.05549).

1. Rajendran et al. add one random number to all labels of a problem. Here the displacement
   actions of each problem are rotated or scaled, or their axes are permuted and reversed:
   actions keep their range, and the gripper keeps its meaning.
"""

from dataclasses import dataclass
from typing import Literal

from robomtl.errors import InputError
from robomtl.ranges import check_types, settings

ActionSpace = Literal["own", "permuted", "turned", "scaled"]


@settings
@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Settings by which training constructs new tasks; all off by default.

    In batches of few-shot problems, each problem is translated, rotated, mirrored and given
    an action space as a whole: its context, support and queries in the same way. Single
    frames are changed independently of each other. Masks and new goals are drawn for each
    sample, and do not change the context.
    """

    translation: float = 0.0
    """Largest random translation of all positions of a sample along x and along y [m];
    its actions, which are displacements, stay the same. 0 for none."""
    rotation: float = 0.0
    """Largest random rotation of the positions of a sample about z [degrees], in either
    direction, around the mean position of the hand in the demonstrations of its task.
    Displacement actions are rotated too, as they were before clipping, see ``approach``,
    and clipped again. Orientations stay, as the hand cannot rotate. 0 for none."""
    approach: float = 0.0
    """Largest random displacement, along x and along y, of the start of the hand's path to
    the object that it touches first [m]; the objects stay where they are. For
    demonstrators whose actions are proportional to the distance from their target, see the
    module ``approach``. In batches of problems, paths in the context stay the same; 0 for
    none."""
    mirror: float = 0.0
    """Fraction of the samples, or problems, that are mirrored at x = 0, which gives another
    task unless the scene is symmetric. The instruction stays the same."""
    masking: float = 0.0
    """Probability with which the state of each object in a sample is set to zero."""
    fraction: float = 1.0
    """Fraction of the samples, or problems, that are augmented at all; the others stay as
    they were recorded. Below 1, a policy also sees states with the absolute positions of
    the demonstrations."""
    action_space: ActionSpace = "own"
    """Random change of each problem's displacement actions: ``permuted`` permutes and
    reverses their axes, ``turned`` rotates them about z and clips them, ``scaled``
    multiplies them by a factor from 1/2 to 2 and clips them, ``own`` leaves them. Only the
    support then shows the effect of an action."""
    relabelling: float = 0.0
    """Fraction of the samples whose goal is replaced by the position achieved at a later
    step of the episode, drawn uniformly; for tasks whose goal is a position to reach."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is unknown or out of range.
        """
        check_types(self)
        for name in ("translation", "approach"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(
                    f"{name} is {getattr(self, name)}; give 0 or more [m]."
                )
        if not 0 <= self.rotation <= 180:
            raise InputError(f"rotation is {self.rotation}; give 0 to 180 [degrees].")
        for name in ("mirror", "masking", "relabelling", "fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; give 0 to 1.")
