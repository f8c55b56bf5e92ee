"""Points that reach goals: a suite that needs no simulator.

Every scene holds the same things: a point that the action moves, a ball that the point can
push, three coloured targets, and a flag. All tasks draw their scenes alike, so that no
scene gives its task away; only the instruction says which.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from robomtl.camera import Camera, Picture, refuse_settings
from robomtl.envs.points_picture import draw
from robomtl.geometry import Geometry, Thing
from robomtl.nearest import unknown
from robomtl.splits import find_split, find_variation
from robomtl.task import Action, Expert, Observation, Task, find_task

Vector = NDArray[np.float64]

SPLITS: Mapping[str, range] = MappingProxyType(
    {
        "train": range(0, 1_000_000),
        "fresh": range(1_000_000, 2_000_000),
        "official": range(2_000_000, 2_000_050),
    }
)
SPEED = 0.07  # Longest way of the point in one step, along either axis.
CONTACT = 0.1  # Distance to which the point pushes the ball away.
REACH = (
    0.11  # Distance at which a goal counts as reached; beyond CONTACT, for the ball.
)
SIDE = 128  # Width and height of pictures, unless others are asked for [px].
WALL = 1.0  # Points and balls stay within [-WALL, WALL].
SPREAD = 0.7  # Things start within [-SPREAD, SPREAD], ...
GAP = 0.3  # ... at least this far apart.

THINGS = ("point", "ball", "red", "green", "blue", "flag")
_ROW = {name: row for row, name in enumerate(THINGS)}


class _Aim(NamedTuple):
    """A task: this thing is to come to that one."""

    thing: str
    goal: str


_AIMS = {
    "reach-red": _Aim("point", "red"),
    "reach-green": _Aim("point", "green"),
    "reach-blue": _Aim("point", "blue"),
    "reach-flag": _Aim("point", "flag"),
    "reach-ball": _Aim("point", "ball"),
    "push-ball": _Aim("ball", "flag"),
}
_NOUNS = {
    "red": "red target",
    "green": "green target",
    "blue": "blue target",
    "flag": "flag",
    "ball": "ball",
}
_REACH = (
    "reach the {}",
    "go to the {}",
    "move the point onto the {}",
    "bring the point to the {}",
    "touch the {}",
    "steer towards the {} and stop there",
)
_REACH_HELD_OUT = ("head over to the {}", "make your way to the {}")
_PUSH = (
    "push the ball to the flag",
    "shove the ball over to the flag",
    "move the ball onto the flag",
    "get behind the ball and drive it to the flag",
    "bring the ball to the flag",
    "nudge the ball until it lies at the flag",
)
_PUSH_HELD_OUT = ("roll the ball up to the flag", "make the ball end up at the flag")


def _task(name: str) -> Task:
    aim = _AIMS[name]
    if aim.thing == "ball":
        return Task(
            name=name,
            instructions=_PUSH,
            held_out_instructions=_PUSH_HELD_OUT,
            tier="medium",
        )
    noun = _NOUNS[aim.goal]
    return Task(
        name=name,
        instructions=tuple(wording.format(noun) for wording in _REACH),
        held_out_instructions=tuple(w.format(noun) for w in _REACH_HELD_OUT),
        tier="easy",
    )


_COLOURS_AND_FLAG = ("reach-red", "reach-green", "reach-blue", "reach-flag")
_TRAIN = {
    "MT4": _COLOURS_AND_FLAG,
    "MT6": tuple(_AIMS),
    "ML4": _COLOURS_AND_FLAG,
    **{name: (name,) for name in _AIMS},
}
_HELD_OUT = {"ML4": ("reach-ball", "push-ball")}

VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "MT4": "reach the red, green or blue target or the flag; the default",
        "MT6": "the same, reach the ball, and push it to the flag",
        "ML4": "MT4, with reach-ball and push-ball held out",
        **{name: f"only {name}" for name in _AIMS},
    }
)


def _scene(task: str, variation: int) -> Vector:
    """Where everything starts, from the names alone; (thing, 2)."""
    digest = hashlib.sha256(f"{task} {variation}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    places: list[Vector] = []
    while len(places) < len(THINGS):
        place = generator.uniform(-SPREAD, SPREAD, size=2)
        if all(np.linalg.norm(place - other) >= GAP for other in places):
            places.append(place)
    return np.stack(places)


def _moved(places: Vector, action: Vector) -> Vector:
    """Everything one step later: the point moves, and the ball gives way; (thing, 2)."""
    after = places.copy()
    point, ball = after[_ROW["point"]], after[_ROW["ball"]]
    point[:] = np.clip(point + SPEED * np.clip(action, -1, 1), -WALL, WALL)
    offset = ball - point
    distance = float(np.linalg.norm(offset))
    if 0 < distance < CONTACT:
        ball[:] = np.clip(point + offset / distance * CONTACT, -WALL, WALL)
    return after


class PointsEnv(gymnasium.Env[Observation, Action]):
    """A point in a square, one task; the variation alone determines the episode.

    ``observation["state"]`` holds the places of ``THINGS`` in this order, the flag last.
    Without ``options`` a variation of the split ``train`` is drawn from the seed.

    Args:
        task: Name of the task.
        horizon: Number of steps after which an episode is truncated.
        camera: Takes the pictures of ``render``; None where there are none.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, task: str, horizon: int, camera: Camera | None = None) -> None:
        self.task = task
        self.horizon = horizon
        self.camera = camera
        self.render_mode = None if camera is None else "rgb_array"
        self.observation_space: gymnasium.Space[Any] = gymnasium.spaces.Dict(
            {"state": gymnasium.spaces.Box(-WALL, WALL, (2 * len(THINGS),), np.float32)}
        )
        self.action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        self._places: Vector | None = None
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            ValueError: If no split holds the variation.
        """
        super().reset(seed=seed)
        drawn = self.np_random.choice(len(SPLITS["train"]))
        variation = (options or {}).get("variation", drawn)
        variation = find_variation(SPLITS, self.task, variation)
        self._places = _scene(self.task, variation)
        self._step = 0
        return self._observation(self._places), {"success": self._success(self._places)}

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Moves the point; actions beyond [-1, 1] are clipped.

        Raises:
            ValueError: If the action is not finite.
            ResetNeeded: If no episode is running.
        """
        if self._places is None or self._step >= self.horizon:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not np.isfinite(action).all():
            raise ValueError(
                f"{self.task}, step {self._step}: the action {action} is not finite."
            )
        self._places = _moved(self._places, np.asarray(action, np.float64))
        self._step += 1
        return (
            self._observation(self._places),
            -self._distance(self._places),
            False,
            self._step == self.horizon,
            {"success": self._success(self._places)},
        )

    def render(self) -> Picture:
        """Everything as a disc, from above; (height, width, 3).

        Raises:
            ValueError: If the env has no camera.
            ResetNeeded: If no episode is running.
        """
        if self.camera is None:
            raise ValueError(f"{self.task} has no camera; make it with one to see it.")
        if self._places is None:
            raise ResetNeeded(f"{self.task}: nothing is there yet; call reset first.")
        places = {thing: self._places[row] for thing, row in _ROW.items()}
        return draw(places, self.camera.width or SIDE, self.camera.height or SIDE)

    def _observation(self, places: Vector) -> Observation:
        return {"state": places.astype(np.float32).ravel()}

    def _distance(self, places: Vector) -> float:
        aim = _AIMS[self.task]
        return float(np.linalg.norm(places[_ROW[aim.thing]] - places[_ROW[aim.goal]]))

    def _success(self, places: Vector) -> bool:
        return self._distance(places) <= REACH


@dataclass(frozen=True)
class PointsExpert:
    """Goes straight to the goal, or behind the ball and then through it.

    Args:
        task: Name of the task.
    """

    task: str

    def __call__(self, observation: Observation) -> Action:
        """The action towards the goal, within [-1, 1]; shape (2,)."""
        places = observation["state"].astype(np.float64).reshape(len(THINGS), 2)
        aim = _AIMS[self.task]
        point, goal = places[_ROW["point"]], places[_ROW[aim.goal]]
        if aim.thing == "ball":
            goal = _behind_or_through(point, places[_ROW["ball"]], goal)
        way = (goal - point) / SPEED
        action: Action = (way / max(1.0, np.abs(way).max())).astype(np.float32)
        return action


def _behind_or_through(point: Vector, ball: Vector, goal: Vector) -> Vector:
    """Where the point should go next so that the ball comes to the goal; (2,)."""
    wanted, seen = _angle(goal - ball), _angle(ball - point)
    turn = (wanted - seen + np.pi) % (2 * np.pi) - np.pi
    if abs(turn) < 0.3:
        return ball - 0.4 * CONTACT * _direction(wanted)
    return ball - 1.6 * CONTACT * _direction(seen + np.clip(turn, -0.7, 0.7))


def _angle(way: Vector) -> float:
    return float(np.arctan2(way[1], way[0]))


def _direction(angle: float) -> Vector:
    return np.array([np.cos(angle), np.sin(angle)])


@dataclass(frozen=True, kw_only=True)
class PointsSuite:
    """A selection of the tasks, named by its variant."""

    variant: str = "MT4"
    """One of ``VARIANTS``."""
    horizon: int = 50
    """Number of steps of an episode."""
    camera: Camera | None = None
    """Looks at the envs; it changes no episode and is not among the options."""

    def __post_init__(self) -> None:
        """Checks the variant and the horizon.

        Raises:
            ValueError: If the variant is unknown or the horizon is not positive.
        """
        if self.variant not in VARIANTS:
            raise ValueError(unknown("variant of points", self.variant, VARIANTS))
        if self.horizon < 1:
            raise ValueError(f"horizon is {self.horizon}; give at least 1.")

    @property
    def name(self) -> str:
        """Full name, such as ``points/MT4``."""
        return f"points/{self.variant}"

    @property
    def options(self) -> Mapping[str, Any]:
        """What ``robomtl.suite`` takes besides the name."""
        return {"horizon": self.horizon}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        return tuple(_task(name) for name in _TRAIN[self.variant])

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """Tasks kept for adaptation."""
        return tuple(_task(name) for name in _HELD_OUT.get(self.variant, ()))

    @property
    def goal(self) -> slice:
        """Where the flag lies, the goal of ``reach-flag`` and ``push-ball``."""
        row = _ROW["flag"]
        return slice(2 * row, 2 * row + 2)

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
        return PointsEnv(find_task(self, task).name, self.horizon, self.camera)

    def with_camera(self, camera: Camera) -> "PointsSuite":
        """This suite with envs that show pictures.

        Raises:
            ValueError: If more is asked of the pictures than a size.
        """
        refuse_settings(self.name, camera, "width", "height")
        return replace(self, camera=camera)

    def positions(self, task: str) -> Mapping[str, slice]:
        """Where things are in a state, two numbers each."""
        return {thing: slice(2 * row, 2 * row + 2) for thing, row in _ROW.items()}

    def geometry(self, task: str) -> Geometry:
        """Everything has a place; the flag is the goal, the point what moves.

        Raises:
            ValueError: If the task is unknown.
        """
        aim = _AIMS[find_task(self, task).name]
        things = {name: Thing(positions=(2 * row,)) for name, row in _ROW.items()}
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


class _Points:
    """Makes suites of points that reach goals."""

    variants = VARIANTS

    def __call__(self, variant: str = "", *, horizon: int = 50) -> PointsSuite:
        """The suite of a variant, ``MT4`` unless one is given.

        Args:
            variant: One of ``variants``.
            horizon: Number of steps of an episode.

        Raises:
            ValueError: If the variant is unknown or the horizon is not positive.
        """
        return PointsSuite(variant=variant or "MT4", horizon=horizon)


points = _Points()
