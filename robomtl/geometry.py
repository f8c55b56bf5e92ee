"""Spatial meaning of states and actions: which components are positions.

Data augmentation that translates, mirrors or hides objects needs these indices. A suite
declares them by the optional method ``geometry(task)``; see ``Suite``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from robomtl.errors import InputError
from robomtl.suites import suite

Order = Literal["wxyz", "xyzw"]
"""Order of the components of a quaternion."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """Indices of one body's positions and orientations in a state.

    A state may contain several positions of a body, at the current and at earlier steps.
    """

    positions: tuple[int, ...]
    """Index of x [m] of each position, the current one first; y, and z in 3 dimensions,
    follow it."""
    orientations: tuple[int, ...] = ()
    """Index of the first component of each quaternion."""
    order: Order = "wxyz"
    """Order of the components of quaternions. In the order ``xyzw`` the largest component
    is positive, as in SciPy; in the other order the sign is the simulator's."""


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Positions in a task's state, and the displacement in its actions.

    Actions move the hand by a displacement along the axes of the positions. Translating
    all bodies along x and y therefore leaves actions unchanged, and mirroring all bodies
    at x = 0 flips the sign of the displacement's x.
    """

    dimensions: Literal[2, 3]
    """Number of components of a position, and of the displacement."""
    hand: Body
    """Hand, which actions move."""
    objects: tuple[Body, ...]
    """All bodies in the state other than the hand and the goal."""
    goal: Body | None
    """Goal; None if it is hidden."""
    displacement: int
    """Index of the displacement's x in an action."""
    achieved: Body | None = None
    """Body that has to reach the goal position, whatever that position is; None if the
    goal is not a position to be reached."""

    @property
    def bodies(self) -> tuple[Body, ...]:
        """The hand, the objects and the goal."""
        goal = () if self.goal is None else (self.goal,)
        return (self.hand, *self.objects, *goal)


def geometries(
    name: str | None, options: Mapping[str, Any], tasks: Sequence[str]
) -> list[Geometry]:
    """The geometries of tasks of a suite, in order.

    Args:
        name: Full name of the suite; None if it is unknown.
        options: Options with which ``robomtl.suite`` builds the suite.
        tasks: Names of the tasks.

    Raises:
        InputError: If the suite is unknown or has no geometry.
    """
    if name is None:
        raise InputError(
            "Augmentation needs to know which components of a state are positions;"
            " these demonstrations name no suite that declares them. Leave augmentation"
            " off."
        )
    find: Callable[[str], Geometry] | None = getattr(
        suite(name, **options), "geometry", None
    )
    if find is None:
        raise InputError(
            "Augmentation needs to know which components of a state are positions;"
            f" {name} lacks the method geometry(task), see robomtl.task.Suite. Leave"
            " augmentation off, or add the method."
        )
    return [find(task) for task in tasks]
