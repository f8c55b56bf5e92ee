"""Suite of ManiSkill's manipulation tasks, simulated in their own interpreter.

A suite is plain data; a server that runs ``maniskill_server.py`` is started when the first
env is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from robomtl.envs.maniskill_expert import EXPERTS
from robomtl.envs.maniskill_tasks import NAMES, TASKS, VARIANTS
from robomtl.envs.robosuite_scene import GRIP, HAND, TARGET
from robomtl.envs.selection import Selection
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.files.request import VERSIONS
from robomtl.simulators.environment import Environment
from robomtl.simulators.served_env import ServedEnv
from robomtl.simulators.simulator import Simulator
from robomtl.splits import SPLITS
from robomtl.task import Expert, Task, find_task

ENVIRONMENT = Environment(
    name="maniskill",
    python="3.11",
    requirements=(
        "mani_skill==3.0.1",
        "sapien==3.0.3",
        "torch==2.13.0",
        "gymnasium==1.4.0",
        "numpy==2.4.6",
    ),
)
"""Environment of ManiSkill, with its own torch."""

SIMULATOR = Simulator(
    file=Path(__file__).with_name("maniskill_server.py"), environment=ENVIRONMENT
)
PANDA = Embodiment(
    name="maniskill-panda",
    observation={"state": Feature(kind="state", shape=(len(NAMES),), names=NAMES)},
    action=ActionFeature(
        size=7,
        names=("x", "y", "z", "rotation.x", "rotation.y", "rotation.z", "gripper"),
        units=("0.1 m",) * 3 + ("0.1 rad",) * 3 + ("-1",),
    ),
)
"""Robot with ManiSkill's controller ``pd_ee_delta_pose``, in the frame of its base."""


@dataclass(frozen=True, kw_only=True)
class ManiSkillSuite(Selection):
    """Suite of ManiSkill's tasks, or of one of them."""

    family: ClassVar[str] = "maniskill"
    selections: ClassVar[Mapping[str, str]] = VARIANTS

    variant: str = "MT4"
    """Name of the variant, one of ``VARIANTS``."""
    horizon: int = 100
    """Number of steps of an episode."""

    @property
    def definition(self) -> dict[str, dict[str, str]]:
        """Versions of the simulator's packages; empty unless it is installed."""
        return {VERSIONS: ENVIRONMENT.versions}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        if self.variant in TASKS:
            return (TASKS[self.variant],)
        return tuple(TASKS.values())

    @property
    def goal(self) -> slice:
        """Slice of the target's position in a state."""
        return TARGET

    @property
    def undisturbed_actions(self) -> int:
        """Trailing components of an action that ``collect`` never disturbs: the gripper."""
        return 1

    def embodiment(self, task: str) -> Embodiment:
        """Embodiment of the Panda, which is the same in all tasks.

        Raises:
            ValueError: If the task is unknown.
        """
        find_task(self, task)
        return PANDA

    def make_env(self, task: str) -> ServedEnv:
        """Makes an env of the task, in the server of this process.

        Raises:
            InputError: If the task is unknown, or the environment is not installed; says
                how to install it.
        """
        name = find_task(self, task).name
        return ServedEnv(SIMULATOR, name, SPLITS, {"horizon": self.horizon})

    def make_expert(self, task: str) -> Expert:
        """Scripted expert of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        return EXPERTS[find_task(self, task).name]

    def positions(self, task: str) -> Mapping[str, slice]:
        """Slices of the positions of the hand, the object and its target in a state [m].

        Raises:
            ValueError: If the task is unknown.
        """
        find_task(self, task)
        return {"hand": HAND, "object": GRIP, "target": TARGET}


def maniskill(variant: str = "", *, horizon: int = 100) -> ManiSkillSuite:
    """Suite of ManiSkill's tasks.

    Args:
        variant: One of ``maniskill.variants``; empty for ``MT4``.
        horizon: Number of steps of an episode.

    Raises:
        ValueError: If the variant is unknown or the horizon is not positive.
    """
    return ManiSkillSuite(variant=variant or "MT4", horizon=horizon)


maniskill.variants = VARIANTS  # type: ignore[attr-defined]
