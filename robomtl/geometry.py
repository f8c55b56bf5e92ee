"""What the numbers of a task's states and actions mean in space.

Training that moves, mirrors or hides things needs to know which numbers are positions. A
suite says so by the optional method ``geometry(task)``; see ``Suite``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robomtl.errors import InputError
from robomtl.suites import suite

Order = Literal["wxyz", "xyzw"]


@dataclass(frozen=True, kw_only=True)
class Body:
    """Positions of one thing in a state, one for each time that the state holds it."""

    positions: tuple[int, ...]
    """Index of the x [m] of each of its positions, the present one first; y, and z if
    there is one, follow."""
    orientations: tuple[int, ...] = ()
    """Index of the first of the four numbers of each of its quaternions."""
    order: Order = "wxyz"
    """Order of the numbers of its quaternions. Those in the order ``xyzw`` have their
    largest component positive, as SciPy gives them; others have the sign of the
    simulator."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A task's states and actions in space; what is not in the state is left out.

    Actions move the hand by a displacement along the axes of the positions, so that
    moving everything equally along x and y changes no action, and mirroring everything at
    x = 0 turns the sign of the displacement's x.
    """

    dimensions: Literal[2, 3]
    """Numbers of a position, and of the displacement."""
    hand: Body
    """What actions move."""
    objects: tuple[Body, ...]
    """Everything else but the goal."""
    goal: Body | None
    """The goal; None where it is hidden."""
    displacement: int
    """Index of the displacement's x in an action."""
    achieved: Body | None = None
    """What the task brings to the goal, to wherever that is; None where the goal says
    something else, or nothing."""

    @property
    def things(self) -> tuple[Body, ...]:
        """Hand, objects and goal."""
        goal = () if self.goal is None else (self.goal,)
        return (self.hand, *self.objects, *goal)


def geometries(
    name: str | None, options: Mapping[str, Any], tasks: Sequence[str]
) -> list[Geometry]:
    """The geometry of some tasks of a suite.

    Args:
        name: Full name of the suite; None where it is unknown.
        options: Those with which ``robomtl.suite`` builds it.
        tasks: Names of the tasks.

    Raises:
        InputError: If the suite is unknown or has no geometry.
    """
    if name is None:
        raise InputError(
            "Augmentation needs to know which numbers of a state are positions;"
            " these demonstrations name no suite that says so. Leave augmentation off."
        )
    find: Callable[[str], Geometry] | None = getattr(
        suite(name, **options), "geometry", None
    )
    if find is None:
        raise InputError(
            f"Augmentation needs to know which numbers of a state are positions;"
            f" {name} lacks the method geometry(task), see robomtl.task.Suite. Leave"
            " augmentation off, or add it."
        )
    return [find(task) for task in tasks]
