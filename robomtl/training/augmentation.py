"""New tasks from those there are: samples moved, turned, mirrored, hidden or relabelled.

Sources: symmetries of the scene as data augmentation; hindsight goal relabelling
(Andrychowicz et al. 2017, arXiv:1707.01495; for cloning, Ghosh et al. 2021, GCSL,
arXiv:1912.06088); new action labels for each problem (Rajendran et al. 2020, "Meta-Learning
Requires Meta-Augmentation", arXiv:2007.05549).

1. Rajendran et al. add one random number to all labels of a problem. Here the
   displacement of each problem is turned or scaled, or its axes are permuted and reversed:
   actions keep their range, and the gripper its meaning.
"""

from dataclasses import dataclass
from typing import Literal

from robomtl.errors import InputError
from robomtl.ranges import check_types, settings

ActionSpace = Literal["own", "permuted", "turned", "scaled"]


@settings
@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training constructs tasks from those it has; all off by default.

    In batches of problems, a whole problem is moved, turned, mirrored, and given an action
    space: its context, support and queries alike. Single frames are, each on its own. What is
    hidden or relabelled is drawn for each sample, and the context keeps what it shows.
    """

    translation: float = 0.0
    """Everything in a sample is moved along x and y by up to this [m], at random; its
    actions, which are displacements, stay. 0 for never."""
    rotation: float = 0.0
    """Positions in a sample are rotated about z by up to this [degrees] either way, at
    random, around the mean position of the hand in its task's demonstrations, and so are
    displacements, as they were before they were clipped, see ``approach``; then these are
    clipped. Orientations stay, as the hand cannot turn. 0 for never."""
    approach: float = 0.0
    """The start of the hand's path to what it touches first is moved along x and y by up
    to this [m], at random, and the rest stays, where demonstrators command displacements
    in proportion to the distance from their target, see ``approach``. In batches of
    problems the context keeps the path that it shows. 0 for never."""
    mirror: float = 0.0
    """Fraction of the samples, or problems, that are mirrored at x = 0: another task, or the
    same where that is symmetric. The instruction stays the same."""
    masking: float = 0.0
    """Probability with which each object of a sample is hidden, by zeros in its place."""
    fraction: float = 1.0
    """Fraction of the samples, or problems, that any of this changes; the others stay as
    they were recorded. Below 1, a policy also sees states whose absolute positions are
    those of the demonstrations."""
    action_space: ActionSpace = "own"
    """``permuted``: in each problem the axes of the displacement are another signed
    permutation; ``turned``: it is turned about z by a random angle, and clipped; or
    it is ``scaled`` by a factor from 1/2 to 2, and clipped. Only the support then shows
    what an action does."""
    relabelling: float = 0.0
    """Fraction of the samples whose goal becomes what was achieved at a later step of the
    episode, each as likely, of tasks whose goal is a place that something comes to."""

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
