"""Suite of Gymnasium-Robotics' tasks of the Fetch robot.

A suite is plain data; Gymnasium-Robotics and MuJoCo are imported when its first env is
made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from robomtl.camera import Camera, Profile
from robomtl.envs.fetch_expert import FetchExpert
from robomtl.envs.fetch_tasks import (
    FETCH,
    GOAL,
    GRIPPER,
    IDS,
    OBJECT,
    OWN,
    VARIANTS,
    task_of,
)
from robomtl.envs.mujoco_opengl import check_named_backend
from robomtl.envs.mujoco_views import View, settled
from robomtl.envs.selection import PicturedSelection
from robomtl.features import Embodiment, Feature
from robomtl.files.request import VERSIONS
from robomtl.pictures import PROPRIOCEPTION, chosen
from robomtl.shifts.shift import Need
from robomtl.task import Env, Expert, Task, find_task
from robomtl.versions import installed_versions

EVERY = "MT4"
VIEWS: Mapping[str, View | str] = {
    "front": View((1.3, 0.75, 0.55), 2.5, 132.0, -14.0),
    "table": View((1.4, 0.75, 0.45), 1.5, 145.0, -30.0),
    "side": "external_camera_0",
}
"""Cameras by name: ``front`` is the view of Gymnasium-Robotics, ``table`` a closer one. The
robot's own cameras, in the gripper and the head, are left out, as links block their view."""
_CAMERA = Camera(name="front", profile="fast", width=480, height=480)


@dataclass(frozen=True, kw_only=True)
class FetchSuite(PicturedSelection):
    """Suite of the four Fetch tasks, or of one of them.

    All tasks have the same robot and the same state of 28 numbers, named in
    ``robomtl.envs.fetch_tasks``. Splits: ``train`` and ``fresh``, with a million variations
    each; a variation is the seed from which Gymnasium-Robotics draws the object's position
    and the goal.
    """

    family: ClassVar[str] = "fetch"
    selections: ClassVar[Mapping[str, str]] = VARIANTS

    variant: str = EVERY
    """Name of the variant, one of ``VARIANTS``."""
    horizon: int = 50
    """Number of steps of an episode."""

    @property
    def definition(self) -> dict[str, dict[str, str]]:
        """Version of Gymnasium-Robotics; empty unless it is installed."""
        return {VERSIONS: installed_versions("gymnasium-robotics")}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        names = tuple(IDS) if self.variant == EVERY else (self.variant,)
        return tuple(task_of(name) for name in names)

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Families of tasks with the same scene: push and pick-and-place."""
        names = ("push", "pick-and-place")
        return {"cube": names} if self.variant == EVERY else {}

    @property
    def goal(self) -> slice:
        """Slice of the goal in a state."""
        return GOAL

    @property
    def undisturbed_actions(self) -> int:
        """Trailing components of an action that ``collect`` never disturbs: the gripper."""
        return 1

    def embodiment(self, task: str) -> Embodiment:
        """Embodiment of the robot, which is the same in all tasks.

        Raises:
            ValueError: If the task is unknown.
        """
        find_task(self, task)
        if self.pictures is None:
            return FETCH
        own = Feature(kind="state", shape=(len(OWN),))
        observed = {**FETCH.observation, PROPRIOCEPTION: own}
        return replace(FETCH, observation=observed | self.pictures.features)

    @property
    def alterable(self) -> tuple[Need, ...]:
        """Aspects of the simulation that shifts can change; see ``robomtl.shifts``."""
        return ("physics", "pictures") if self.pictures else ("physics",)

    def make_env(self, task: str) -> Env:
        """Makes an env of the task; imports Gymnasium-Robotics.

        Raises:
            ValueError: If the task is unknown.
            MissingExtraError: If the extra ``fetch`` or the library that ``MUJOCO_GL``
                names is missing.
        """
        name = find_task(self, task).name
        check_named_backend()
        from robomtl.envs.fetch_env import FetchEnv, upstream
        from robomtl.envs.mujoco_camera import MujocoCamera

        env: Any = upstream(name)

        def eye(camera: Camera) -> MujocoCamera:
            view = VIEWS[str(camera.name)]
            return MujocoCamera(env.model, env.data, camera, at=view)

        observed = {} if self.pictures is None else self.pictures.by_feature
        return FetchEnv(
            env,
            name,
            horizon=self.horizon,
            eye=eye(self.camera) if self.camera else None,
            observed={feature: eye(each) for feature, each in observed.items()},
        )

    def with_camera(self, camera: Camera) -> "FetchSuite":
        """This suite with envs that render images.

        By default, the camera is ``front``, the profile ``fast``, and width and height are
        480 px.

        Raises:
            InputError: If the camera is unknown, or ``MUJOCO_GL`` disables rendering.
            ImportError: If there is no OpenGL library; says which package has it.
        """
        return replace(self, camera=settled("fetch", camera, _CAMERA, VIEWS))

    def positions(self, task: str) -> Mapping[str, slice]:
        """Slices of the positions of the gripper, the object and the goal in a state [m].

        Raises:
            ValueError: If the task is unknown.
        """
        has_object = find_task(self, task).name != "reach"
        moved = {"object": OBJECT} if has_object else {}
        return {"hand": GRIPPER, **moved, "goal": GOAL}

    def make_expert(self, task: str) -> Expert:
        """Scripted expert of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        return FetchExpert(find_task(self, task).name)


def fetch(
    variant: str = "",
    *,
    horizon: int = 50,
    cameras: str | Sequence[str] = (),
    size: int | None = None,
    profile: Profile | None = None,
) -> FetchSuite:
    """Suite of the Fetch robot's tasks.

    Args:
        variant: One of ``fetch.variants``; empty for ``MT4``, all four tasks.
        horizon: Number of steps of an episode.
        cameras: Names of the cameras whose images are observed as ``image.NAME``, together
            with ``proprioception``, the part of the state that describes the robot.
        size: Width and height of these images [px]; 84 by default.
        profile: ``fast``, the default, renders without shadows, reflections and
            antialiasing; ``faithful`` renders with them.

    Raises:
        ValueError: If the variant or an option is unknown or out of range.
    """
    name = f"fetch/{variant or EVERY}"
    return FetchSuite(
        variant=variant or EVERY,
        horizon=horizon,
        pictures=chosen(
            name, tuple(VIEWS), cameras=cameras, size=size, profile=profile
        ),
    )


fetch.variants = VARIANTS  # type: ignore[attr-defined]
