"""Suites of robosuite's tasks with one Panda arm, which has a gripper or a wiper.

A suite is plain data; robosuite and MuJoCo are imported when its first env is made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from robomtl.camera import Camera, Profile
from robomtl.envs.mujoco_opengl import check_named_backend
from robomtl.envs.mujoco_views import settled
from robomtl.envs.robosuite_env import RobosuiteEnv
from robomtl.envs.robosuite_expert import EXPERTS
from robomtl.envs.robosuite_robots import robot_of
from robomtl.envs.robosuite_tasks import VARIANTS, selected
from robomtl.envs.selection import PicturedSelection
from robomtl.errors import InputError
from robomtl.features import Embodiment, Feature
from robomtl.files.request import VERSIONS
from robomtl.pictures import PROPRIOCEPTION, chosen
from robomtl.shifts.shift import Need
from robomtl.task import Expert, Task, find_task
from robomtl.versions import installed_versions

CAMERAS = (
    "frontview",
    "birdview",
    "agentview",
    "robot0_robotview",
    "robot0_eye_in_hand",
)
"""Names of the cameras that every scene has."""

_CAMERA = Camera(name="agentview", profile="fast", width=480, height=480)


@dataclass(frozen=True, kw_only=True)
class RobosuiteSuite(PicturedSelection):
    """Suite of robosuite's tasks, selected by the variant."""

    family: ClassVar[str] = "robosuite"
    selections: ClassVar[Mapping[str, str]] = VARIANTS

    variant: str = "MT4"
    """Name of the variant, one of ``VARIANTS``."""
    horizon: int = 400
    """Number of steps of an episode; 400 as in robomimic for Lift, Can and Square."""

    @property
    def definition(self) -> dict[str, dict[str, str]]:
        """Version of robosuite; empty unless it is installed."""
        return {VERSIONS: installed_versions("robosuite")}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        return selected(self.variant)

    @property
    def goal(self) -> None:
        """None, as states have no goal: the objects of a scene tell its task."""
        return None

    @property
    def undisturbed_actions(self) -> int:
        """Trailing components of an action that ``collect`` never disturbs: the gripper."""
        return int("gripper" in robot_of(self.train_tasks[0].name).action.names)

    def embodiment(self, task: str) -> Embodiment:
        """Embodiment of the Panda, with a wiper in ``Wipe`` and a gripper otherwise.

        Raises:
            ValueError: If the task is unknown.
        """
        robot = robot_of(find_task(self, task).name)
        names, own = robot.names, robot.names[: robot.own]
        observed = {"state": Feature(kind="state", shape=(len(names),), names=names)}
        if self.pictures:
            proprioception = Feature(kind="state", shape=(len(own),), names=own)
            observed[PROPRIOCEPTION] = proprioception
            observed |= self.pictures.features
        return Embodiment(name=robot.name, observation=observed, action=robot.action)

    @property
    def alterable(self) -> tuple[Need, ...]:
        """Aspects of the simulation that shifts can change; see ``robomtl.shifts``."""
        return ("physics", "pictures") if self.pictures else ("physics",)

    def make_env(self, task: str) -> RobosuiteEnv:
        """Makes an env of the task; imports robosuite.

        Raises:
            ValueError: If the task is unknown.
            ImportError: If robosuite is missing; says how to install it.
        """
        name = find_task(self, task).name
        check_named_backend()
        observed = self.pictures.by_feature if self.pictures else {}
        return RobosuiteEnv(
            name, horizon=self.horizon, camera=self.camera, observed=observed
        )

    def make_expert(self, task: str) -> Expert:
        """Scripted expert of the task.

        Raises:
            InputError: If the task is unknown or has no expert.
        """
        name = find_task(self, task).name
        if name not in EXPERTS:
            raise InputError(
                f"{name} has no expert; tasks with one: {', '.join(EXPERTS)}."
            )
        return EXPERTS[name]

    def with_camera(self, camera: Camera) -> "RobosuiteSuite":
        """This suite with envs that render images.

        By default, the camera is ``agentview``, the profile ``fast``, and width and height
        are 480 px.

        Raises:
            InputError: If the camera is unknown, or ``MUJOCO_GL`` disables rendering.
            ImportError: If there is no OpenGL library; says which package has it.
        """
        return replace(self, camera=settled("robosuite", camera, _CAMERA, CAMERAS))

    def positions(self, task: str) -> Mapping[str, slice]:
        """Slices of the positions of the hand and its objects in a state [m].

        Raises:
            ValueError: If the task is unknown.
        """
        name = find_task(self, task).name
        return robot_of(name).positions(name)


def robosuite(
    variant: str = "",
    *,
    horizon: int = 400,
    cameras: str | Sequence[str] = (),
    size: int | None = None,
    profile: Profile | None = None,
) -> RobosuiteSuite:
    """Suite of robosuite's tasks.

    Args:
        variant: One of ``robosuite.variants``; empty for ``MT4``.
        horizon: Number of steps of an episode.
        cameras: Names of the cameras whose images are observed as ``image.NAME``, together
            with ``proprioception``: the hand's pose, and the fingers or the wiper's force.
        size: Width and height of these images [px]; 84 by default.
        profile: ``fast``, the default, renders without shadows, reflections and
            antialiasing; ``faithful`` renders with them.

    Raises:
        ValueError: If the variant or an option is unknown or out of range.
    """
    name = f"robosuite/{variant or 'MT4'}"
    return RobosuiteSuite(
        variant=variant or "MT4",
        horizon=horizon,
        pictures=chosen(name, CAMERAS, cameras=cameras, size=size, profile=profile),
    )


robosuite.variants = VARIANTS  # type: ignore[attr-defined]
