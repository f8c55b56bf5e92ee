"""Suite of points with two robots: one moves as in other suites, one has four thrusters.

The second robot observes positions relative to itself, and has an action component for each
direction. The suite is an example of different robots with one policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from robomtl.envs.points_env import ROW, SPEED, SPLITS, WALL, PointsEnv, Vector
from robomtl.envs.points_expert import PointsExpert
from robomtl.envs.points_tasks import AIMS, task_of
from robomtl.features import STATE, ActionFeature, Embodiment, Feature
from robomtl.ranges import check_counts
from robomtl.splits import find_split
from robomtl.task import Action, Env, Expert, Observation, Task, find_task

VARIANT = "two_robots"
_GOALS = ("red", "green")
_SEEN = tuple(thing for thing in ROW if thing != "point")
_AXES = ("x", "y")
_HALF = 3  # Number of wordings of the first robot; the second has the others.

POINT = Embodiment(
    name="point",
    observation={
        STATE: Feature(
            kind="state",
            shape=(2 * len(ROW),),
            names=tuple(f"{thing}_{axis}" for thing in ROW for axis in _AXES),
        )
    },
    action=ActionFeature(size=2, names=_AXES, units=(f"{SPEED} m",) * 2),
)
FLYER = Embodiment(
    name="flyer",
    observation={
        STATE: Feature(
            kind="state",
            shape=(2 * len(_SEEN),),
            names=tuple(f"{thing}_d{axis}" for thing in _SEEN for axis in _AXES),
        )
    },
    action=ActionFeature(size=4, names=("east", "west", "north", "south")),
)


class FlyerEnv(PointsEnv):
    """Env of a point that four thrusters move; see ``PointsEnv``."""

    def __init__(self, task: str, horizon: int) -> None:
        super().__init__(task, horizon)
        size = FLYER.states[STATE]
        seen = gymnasium.spaces.Box(-2 * WALL, 2 * WALL, (size,), np.float32)
        self.observation_space = gymnasium.spaces.Dict({STATE: seen})
        self.action_space = gymnasium.spaces.Box(-1, 1, (4,), np.float32)

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Moves the point by half the difference of opposite thrusters."""
        east, west, north, south = np.clip(action, -1, 1)
        move = np.array([east - west, north - south]) / 2
        return super().step(move.astype(np.float32))

    def _observation(self, positions: Vector) -> Observation:
        relative = positions - positions[ROW["point"]]
        seen = relative[[ROW[thing] for thing in _SEEN]]
        return {STATE: seen.astype(np.float32).ravel()}


@dataclass(frozen=True)
class FlyerExpert:
    """Expert of the second robot, which moves straight to the goal.

    Args:
        task: Name of the task.
    """

    task: str

    def __call__(self, observation: Observation) -> Action:
        """Action for an observation, within [-1, 1]; (4,)."""
        state = np.concatenate([np.zeros(2, np.float32), observation[STATE]])
        x, y = PointsExpert(self.task)({STATE: state})
        return np.array([x, -x, y, -y], np.float32)


@dataclass(frozen=True, kw_only=True)
class TwoRobots:
    """Suite in which each of two robots reaches the red or the green target."""

    horizon: int = 50
    """Number of steps of an episode."""

    def __post_init__(self) -> None:
        """Checks the horizon.

        Raises:
            InputError: If it is not positive.
        """
        check_counts(self, "horizon")

    @property
    def name(self) -> str:
        """Full name of the suite."""
        return f"points/{VARIANT}"

    @property
    def options(self) -> Mapping[str, Any]:
        """Options with which ``robomtl.suite`` rebuilds the suite."""
        return {"horizon": self.horizon}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Two tasks of each robot; the robots share no wording."""
        tasks = []
        for goal in _GOALS:
            known = task_of(f"reach-{goal}")
            wordings = known.instructions
            tasks += [
                Task(name=known.name, instructions=wordings[:_HALF], tier="easy"),
                Task(name=f"fly-{goal}", instructions=wordings[_HALF:], tier="easy"),
            ]
        return tuple(sorted(tasks, key=lambda task: task.name, reverse=True))

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """Empty, as no task is held out."""
        return ()

    @property
    def goal(self) -> slice:
        """Slice of the red target in the first robot's state; see ``goal_places``."""
        return _place("red", tuple(ROW))

    @property
    def goal_places(self) -> Mapping[str, slice]:
        """Slice of the target in the state of the task's robot, by name of the task."""
        return {
            task.name: _place(_aim(task.name), _seen(task.name))
            for task in self.train_tasks
        }

    def embodiment(self, task: str) -> Embodiment:
        """Embodiment of a task's robot.

        Raises:
            ValueError: If the task is unknown.
        """
        return FLYER if _flies(find_task(self, task).name) else POINT

    def variations(self, task: str, split: str) -> range:
        """Variations of a task in ``train``, ``fresh`` or ``official``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(SPLITS, split)

    def make_env(self, task: str) -> Env:
        """Makes an env of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        made = FlyerEnv if _flies(find_task(self, task).name) else PointsEnv
        return made(f"reach-{_aim(task)}", self.horizon)

    def make_expert(self, task: str) -> Expert:
        """Expert of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        made = FlyerExpert if _flies(find_task(self, task).name) else PointsExpert
        return made(f"reach-{_aim(task)}")


def _flies(task: str) -> bool:
    return task.startswith("fly-")


def _aim(task: str) -> str:
    return AIMS[f"reach-{task.rpartition('-')[2]}"].goal


def _seen(task: str) -> tuple[str, ...]:
    return _SEEN if _flies(task) else tuple(ROW)


def _place(thing: str, seen: tuple[str, ...]) -> slice:
    row = seen.index(thing)
    return slice(2 * row, 2 * row + 2)
