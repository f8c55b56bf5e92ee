"""Suite of points that reach goals, which needs no simulator.

Every scene has the same objects: a point that the action moves, a ball that the point can
push, three coloured targets, and a flag. All tasks have the same distribution of scenes, so
that only the instruction tells the task.
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
    """Suite of tasks with points, selected by the variant."""

    variant: str = "MT4"
    """Name of the variant, one of ``VARIANTS``."""
    horizon: int = 50
    """Number of steps of an episode."""
    images: int = 0
    """Width and height of the observed image ``top`` [px]; 0 for none."""
    camera: Camera | None = None
    """Camera of ``render``; it changes no episode and is not among the options."""

    def __post_init__(self) -> None:
        """Checks the variant, the horizon and the size of images.

        Raises:
            InputError: If the variant is unknown, the horizon is not positive, or the
                size of images is out of range.
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
        """Options with which ``robomtl.suite`` rebuilds the suite."""
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
        """Tasks held out for adaptation."""
        return tuple(task_of(name) for name in HELD_OUT.get(self.variant, ()))

    @property
    def goal(self) -> slice:
        """Slice of the flag in a state; see ``goal_places`` for the goal of each task."""
        return _place("flag")

    @property
    def goal_places(self) -> Mapping[str, slice]:
        """Slice of the goal in a state, by name of the task."""
        return {name: _place(aim.goal) for name, aim in AIMS.items()}

    @property
    def action(self) -> ActionFeature:
        """Action: displacement of the point."""
        return ActionFeature(size=2, names=("x", "y"), units=(f"{SPEED} m",) * 2)

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Family of all tasks, which share a scene; empty if there is only one task."""
        names = tuple(task.name for task in (*self.train_tasks, *self.held_out_tasks))
        return {"points": names} if len(names) > 1 else {}

    def variations(self, task: str, split: str) -> range:
        """Variations of a task in ``train``, ``fresh`` or ``official``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(SPLITS, split)

    def make_env(self, task: str) -> PointsEnv:
        """Makes an env of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        name = find_task(self, task).name
        return PointsEnv(name, self.horizon, self.camera, images=self.images)

    def with_camera(self, camera: Camera) -> "PointsSuite":
        """This suite with envs that render images.

        Raises:
            ValueError: If the camera has other settings than a size.
        """
        refuse_settings(self.name, camera, "width", "height")
        return replace(self, camera=camera)

    def positions(self, task: str) -> Mapping[str, slice]:
        """Slices of the positions of all objects in a state, two numbers each."""
        return {thing: _place(thing) for thing in ROW}

    def geometry(self, task: str) -> Geometry:
        """Meaning of the components of a state and an action.

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
        """Expert of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        return PointsExpert(find_task(self, task).name)


def _place(thing: str) -> slice:
    return slice(2 * ROW[thing], 2 * ROW[thing] + 2)


class _Points:
    """Factory of suites of points."""

    variants = VARIANTS

    def __call__(
        self, variant: str = "", *, horizon: int = 50, images: int = 0
    ) -> PointsSuite | TwoRobots:
        """Suite of a variant.

        Args:
            variant: One of ``variants``; empty for ``MT4``.
            horizon: Number of steps of an episode.
            images: Width and height of the observed image [px]; 0 for none.

        Raises:
            ValueError: If the variant is unknown, the horizon is not positive, or the size
                of images is out of range.
        """
        if variant == TWO_ROBOTS:
            if images:
                raise InputError(f"points/{TWO_ROBOTS} has no images; leave them out.")
            return TwoRobots(horizon=horizon)
        return PointsSuite(variant=variant or "MT4", horizon=horizon, images=images)


points = _Points()
