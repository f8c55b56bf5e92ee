"""Suites of LIBERO and LIBERO-PRO.

A suite is plain data. LIBERO itself runs in its own interpreter; see
``robomtl.envs.libero_environment`` and ``robomtl.envs.libero_server``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from robomtl.camera import Camera, Profile
from robomtl.envs import libero_tasks
from robomtl.envs.libero_environment import ENVIRONMENT
from robomtl.envs.libero_expert import LiberoExpert
from robomtl.envs.libero_state import PROPRIOCEPTION_NAMES, layout
from robomtl.envs.libero_tasks import HORIZONS, VARIANTS
from robomtl.envs.selection import PicturedSelection
from robomtl.errors import InputError
from robomtl.features import STATE, ActionFeature, Embodiment, Feature
from robomtl.files.request import VERSIONS
from robomtl.nearest import unknown
from robomtl.pictures import PROPRIOCEPTION, chosen
from robomtl.simulators.served_env import ServedEnv
from robomtl.simulators.simulator import Simulator
from robomtl.task import Expert, Task, find_task

SIMULATOR = Simulator(
    file=Path(__file__).with_name("libero_server.py"), environment=ENVIRONMENT
)
SPLITS: Mapping[str, range] = MappingProxyType(
    {
        "train": range(0, 1_000_000),
        "fresh": range(1_000_000, 2_000_000),
        "official": range(2_000_000, 2_000_050),
    }
)
"""Variations by split. ``official`` has LIBERO's 50 initial states of a task, in order; the
others are drawn from the same regions by LIBERO's own sampler, with the same noise of the
arm."""

CAMERAS: Mapping[str, str] = MappingProxyType(
    {
        "agentview": "agentview",
        "wrist": "robot0_eye_in_hand",
        "frontview": "frontview",
        "birdview": "birdview",
        "sideview": "sideview",
    }
)
"""Names of the cameras in the simulator, by robomtl's names."""
_SIDE = 256  # Default width and height of rendered images [px].

_ACTION = ActionFeature(
    size=7,
    names=("dx", "dy", "dz", "rx", "ry", "rz", "gripper"),
    units=("0.05 m",) * 3 + ("0.5 rad",) * 3 + ("closes at 1",),
)


@dataclass(frozen=True, kw_only=True)
class LiberoSuite(PicturedSelection):
    """Suite of LIBERO, or a perturbed version of it by LIBERO-PRO."""

    family: ClassVar[str] = "libero"
    selections: ClassVar[Mapping[str, str]] = VARIANTS
    splits: ClassVar[Mapping[str, range]] = SPLITS

    variant: str = "object"
    """Name of the variant, one of ``VARIANTS``."""
    horizon: int = 280
    """Number of steps of an episode, after 10 steps in which objects come to rest."""

    @property
    def definition(self) -> dict[str, dict[str, str]]:
        """Versions of the simulator's packages; empty unless it is installed."""
        return {VERSIONS: ENVIRONMENT.versions}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on, in the order of LIBERO."""
        return libero_tasks.tasks(self.variant)

    @property
    def goal(self) -> None:
        """None, as only the instruction defines the goal."""
        return None

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Families of tasks with the same initial scene."""
        return libero_tasks.families(self.variant)

    @property
    def shared_wordings(self) -> bool:
        """Whether tasks may share an instruction, as in LIBERO-90 and parts of LIBERO-PRO."""
        return self.variant in ("90", "spatial-task", "goal-task")

    @property
    def undisturbed_actions(self) -> int:
        """Trailing action components that ``collect`` never disturbs: rotation, gripper."""
        return 4

    def embodiment(self, task: str) -> Embodiment:
        """Embodiment of the Panda arm, shared by a suite's tasks and their perturbations.

        Raises:
            ValueError: If the task is unknown.
        """
        find_task(self, task)
        names = layout(self.variant).names
        observed = {STATE: Feature(kind="state", shape=(len(names),), names=names)}
        if self.pictures:
            own = PROPRIOCEPTION_NAMES
            observed[PROPRIOCEPTION] = Feature(
                kind="state", shape=(len(own),), names=own
            )
            observed |= self.pictures.features
        robot = f"libero-{self.variant.partition('-')[0]}"
        return Embodiment(name=robot, observation=observed, action=_ACTION)

    def make_env(self, task: str) -> ServedEnv:
        """Makes an env of the task, in LIBERO's own interpreter.

        Raises:
            ValueError: If the task is unknown or the environment is not installed.
        """
        name = find_task(self, task).name
        options: dict[str, Any] = {
            "things": libero_tasks.simulated(self.variant, name),
            "official": SPLITS["official"].start,
            "horizon": self.horizon,
        }
        if self.pictures:
            cameras = {
                n: CAMERAS[str(c.name)] for n, c in self.pictures.by_feature.items()
            }
            options |= {
                "images": cameras,
                "size": self.pictures.size,
                "fast": self.pictures.profile == "fast",
            }
        if self.camera:
            options |= {
                "camera": CAMERAS[self.camera.name or "agentview"],
                "shape": [self.camera.height or _SIDE, self.camera.width or _SIDE],
                "fast": self.camera.profile != "faithful",
            }
        file = f"{libero_tasks.folder(self.variant)}/{name}"
        return ServedEnv(SIMULATOR, file, SPLITS, options)

    def with_camera(self, camera: Camera) -> "LiberoSuite":
        """This suite with envs that render images, by default of ``agentview``.

        Raises:
            InputError: If the camera is unknown.
        """
        if camera.name is not None and camera.name not in CAMERAS:
            raise InputError(unknown("libero camera", camera.name, CAMERAS))
        return replace(self, camera=camera)

    def positions(self, task: str) -> Mapping[str, slice]:
        """Slices of the positions of the hand and of a task's objects in a state [m].

        Raises:
            ValueError: If the task is unknown.
        """
        entry = libero_tasks.entries(self.variant)[find_task(self, task).name]
        poses = layout(self.variant).poses
        return {
            name: slice(poses[name], poses[name] + 3)
            for name in ("hand", *entry.things)
        }

    def make_expert(self, task: str) -> Expert:
        """Scripted expert; of the suites object and spatial, and their perturbations.

        Raises:
            InputError: If the task is unknown or the suite has no experts.
        """
        name = find_task(self, task).name
        if self.variant.partition("-")[0] not in ("object", "spatial"):
            raise InputError(
                f"{self.name} has no scripted experts; only libero/object and"
                " libero/spatial have. Import LIBERO's demonstrations to train on it."
            )
        return LiberoExpert(self.variant, name)


def libero(
    variant: str = "",
    *,
    horizon: int | None = None,
    cameras: str | Sequence[str] = (),
    size: int | None = None,
    profile: Profile | None = None,
) -> LiberoSuite:
    """Suite of LIBERO or LIBERO-PRO.

    Args:
        variant: One of ``libero.variants``; empty for ``object``.
        horizon: Number of steps of an episode; by default as in published results:
            spatial 220, object 280, goal 300, long 520, and LIBERO-90 400.
        cameras: Names of the cameras whose images are observed as ``image.NAME``, together
            with ``proprioception``.
        size: Width and height of these images [px]; 84 by default.
        profile: ``fast``, the default, renders without shadows, reflections and
            antialiasing; ``faithful`` renders like LIBERO.

    Raises:
        ValueError: If the variant or an option is unknown or out of range.
    """
    name = variant or "object"
    usual = HORIZONS.get(name.partition("-")[0], 1)
    return LiberoSuite(
        variant=name,
        horizon=usual if horizon is None else horizon,
        pictures=chosen(
            f"libero/{name}", [*CAMERAS], cameras=cameras, size=size, profile=profile
        ),
    )


libero.variants = VARIANTS  # type: ignore[attr-defined]
