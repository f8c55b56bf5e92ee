"""Points that reach goals: a suite that needs no simulator.

Every scene holds the same things: a point that the action moves, a ball that the point can
push, three coloured targets, and a flag. All tasks draw their scenes in the same way, so that no
scene gives its task away; only the instruction says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from robomtl.camera import Camera, refuse_settings
from robomtl.envs.points_env import ROW, SPEED, SPLITS, PointsEnv
from robomtl.envs.points_expert import PointsExpert
from robomtl.envs.points_robots import VARIANT as TWO_ROBOTS
from robomtl.envs.points_robots import TwoRobots
from robomtl.envs.points_tasks import AIMS, HELD_OUT, TRAIN, VARIANTS, task_of
from robomtl.errors import InputError
from robomtl.features import ActionFeature
from robomtl.geometry import Body, Geometry
from robomtl.nearest import unknown
from robomtl.ranges import check_counts
from robomtl.splits import find_split
from robomtl.task import Expert, Task, find_task


@dataclass(frozen=True, kw_only=True)
class PointsSuite:
    """A selection of the tasks, named by its variant."""

    variant: str = "MT4"
    """One of ``VARIANTS``."""
    horizon: int = 50
    """Number of steps of an episode."""
    images: int = 0
    """Width and height of the image ``top`` that observations hold beside the state [px],
    or 0 for none."""
    camera: Camera | None = None
    """Looks at the envs; it changes no episode and is not among the options."""

    def __post_init__(self) -> None:
        """Checks the variant, the horizon and the size of images.

        Raises:
            InputError: If the variant is unknown, the horizon is not positive, or the
                images are too small.
        """
        if self.variant not in VARIANTS or self.variant == TWO_ROBOTS:
            raise InputError(unknown("variant of points", self.variant, VARIANTS))
        check_counts(self, "horizon")
        if self.images and not 16 <= self.images <= 512:
            raise InputError(f"images is {self.images}; give 16 to 512 pixels, or 0.")

    @property
    def name(self) -> str:
        """Full name, such as ``points/MT4``."""
        return f"points/{self.variant}"

    @property
    def options(self) -> Mapping[str, Any]:
        """What ``robomtl.suite`` takes besides the name."""
        return {
            "horizon": self.horizon,
            **({"images": self.images} if self.images else {}),
        }

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        return tuple(task_of(name) for name in TRAIN[self.variant])

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """Tasks kept for adaptation."""
        return tuple(task_of(name) for name in HELD_OUT.get(self.variant, ()))

    @property
    def goal(self) -> slice:
        """Where the flag lies; each task has its own place in ``goal_places``."""
        return _place("flag")

    @property
    def goal_places(self) -> Mapping[str, slice]:
        """The place of the goal of each task, by the name of the task."""
        return {name: _place(aim.goal) for name, aim in AIMS.items()}

    @property
    def action(self) -> ActionFeature:
        """A displacement of the point."""
        return ActionFeature(size=2, names=("x", "y"), units=(f"{SPEED} m",) * 2)

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """All tasks share one scene, where there are several."""
        names = tuple(task.name for task in (*self.train_tasks, *self.held_out_tasks))
        return {"points": names} if len(names) > 1 else {}

    def variations(self, task: str, split: str) -> range:
        """The variations of a task in ``train``, ``fresh`` or ``official``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(SPLITS, split)

    def make_env(self, task: str) -> PointsEnv:
        """An env of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        name = find_task(self, task).name
        return PointsEnv(name, self.horizon, self.camera, images=self.images)

    def with_camera(self, camera: Camera) -> "PointsSuite":
        """This suite with envs that show pictures.

        Raises:
            ValueError: If the request for pictures has more than a size.
        """
        refuse_settings(self.name, camera, "width", "height")
        return replace(self, camera=camera)

    def positions(self, task: str) -> Mapping[str, slice]:
        """Where things are in a state, two numbers each."""
        return {thing: _place(thing) for thing in ROW}

    def geometry(self, task: str) -> Geometry:
        """Everything has a place; the flag is the goal, the point what moves.

        Raises:
            ValueError: If the task is unknown.
        """
        aim = AIMS[find_task(self, task).name]
        things = {name: Body(positions=(2 * row,)) for name, row in ROW.items()}
        return Geometry(
            dimensions=2,
            hand=things["point"],
            objects=tuple(things[name] for name in ("ball", "red", "green", "blue")),
            goal=things["flag"],
            displacement=0,
            achieved=things[aim.thing] if aim.goal == "flag" else None,
        )

    def make_expert(self, task: str) -> Expert:
        """The expert of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        return PointsExpert(find_task(self, task).name)


def _place(thing: str) -> slice:
    return slice(2 * ROW[thing], 2 * ROW[thing] + 2)


class _Points:
    """Makes suites of points that reach goals."""

    variants = VARIANTS

    def __call__(
        self, variant: str = "", *, horizon: int = 50, images: int = 0
    ) -> PointsSuite | TwoRobots:
        """The suite of a variant, ``MT4`` unless one is given.

        Args:
            variant: One of ``variants``.
            horizon: Number of steps of an episode.
            images: Width and height of the image that observations hold [px]; 0 for none.

        Raises:
            ValueError: If the variant is unknown, the horizon is not positive, or there
                are no images of this size.
        """
        if variant == TWO_ROBOTS:
            if images:
                raise InputError(f"points/{TWO_ROBOTS} has no images; leave them out.")
            return TwoRobots(horizon=horizon)
        return PointsSuite(variant=variant or "MT4", horizon=horizon, images=images)


points = _Points()
