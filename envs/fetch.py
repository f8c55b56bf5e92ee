"""The Fetch robot's tasks of Gymnasium-Robotics: reach, push, slide, pick and place.

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
"""Cameras, by name: ``front`` is the view of Gymnasium-Robotics, ``table`` a closer one. The
robot's own in the gripper and the head look into its links."""
_CAMERA = Camera(name="front", profile="fast", width=480, height=480)


@dataclass(frozen=True, kw_only=True)
class FetchSuite(PicturedSelection):
    """The four tasks, or one of them.

    Every task has the same state of 28 numbers, named in ``robomtl.envs.fetch_tasks``, and
    the same robot. Splits: ``train`` and ``fresh``, a million variations each; a variation
    is the seed from which Gymnasium-Robotics draws the object's position and the goal.
    """

    family: ClassVar[str] = "fetch"
    selections: ClassVar[Mapping[str, str]] = VARIANTS

    variant: str = EVERY
    """One of ``VARIANTS``."""
    horizon: int = 50
    """Number of steps of an episode."""

    @property
    def definition(self) -> dict[str, dict[str, str]]:
        """Version of the package that simulates it; empty unless it is installed."""
        return {VERSIONS: installed_versions("gymnasium-robotics")}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        names = tuple(IDS) if self.variant == EVERY else (self.variant,)
        return tuple(task_of(name) for name in names)

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Push and pick-and-place share the table and the cube."""
        names = ("push", "pick-and-place")
        return {"cube": names} if self.variant == EVERY else {}

    @property
    def goal(self) -> slice:
        """Where the goal lies in a state."""
        return GOAL

    @property
    def undisturbed_actions(self) -> int:
        """Trailing components of an action that ``collect`` never disturbs: the gripper."""
        return 1

    def embodiment(self, task: str) -> Embodiment:
        """The robot, which is the same in all tasks.

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
        """What of its simulation shifts can change; see ``robomtl.shifts``."""
        return ("physics", "pictures") if self.pictures else ("physics",)

    def make_env(self, task: str) -> Env:
        """An env of the task; Gymnasium-Robotics is imported now.

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
        """This suite with envs that show pictures.

        Unless others are given, the camera is ``front``, the profile ``fast``, and width
        and height are 480 px.

        Raises:
            InputError: If the camera is unknown, or ``MUJOCO_GL`` forbids to draw.
            ImportError: If there is no OpenGL library; says which package has it.
        """
        return replace(self, camera=settled("fetch", camera, _CAMERA, VIEWS))

    def positions(self, task: str) -> Mapping[str, slice]:
        """Where the gripper, the object and the goal are in a state [m].

        Raises:
            ValueError: If the task is unknown.
        """
        has_object = find_task(self, task).name != "reach"
        moved = {"object": OBJECT} if has_object else {}
        return {"hand": GRIPPER, **moved, "goal": GOAL}

    def make_expert(self, task: str) -> Expert:
        """The scripted expert of the task.

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
    """Tasks of the Fetch robot, all four unless a variant is given.

    Args:
        variant: One of ``fetch.variants``.
        horizon: Number of steps of an episode.
        cameras: Names of the cameras whose pictures observations hold, as ``image.NAME``,
            with ``proprioception``, what the robot knows of itself.
        size: Width and height of these pictures, 84 unless given [px].
        profile: ``fast``, the default, draws no shadows, reflections and smooth edges;
            ``faithful`` draws them.

    Raises:
        ValueError: If the variant or an option is not known or not allowed.
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
