"""A square with a point, a ball, three coloured targets and a flag.

All tasks draw their scenes in the same way, so that no scene gives its task away.
"""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from robomtl.camera import Camera, Picture
from robomtl.envs.points_picture import draw
from robomtl.envs.points_tasks import AIMS
from robomtl.errors import InputError
from robomtl.splits import requested_variation
from robomtl.task import Action, Observation

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
IMAGE = "top"  # Name of the image in observations.
SIDE = 128  # Width and height of pictures, by default [px].
WALL = 1.0  # Points and balls stay within [-WALL, WALL].
SPREAD = 0.7  # Things start within [-SPREAD, SPREAD], ...
GAP = 0.3  # ... at least this far apart.

THINGS = ("point", "ball", "red", "green", "blue", "flag")
ROW = {name: row for row, name in enumerate(THINGS)}


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
    point, ball = after[ROW["point"]], after[ROW["ball"]]
    point[:] = np.clip(point + SPEED * np.clip(action, -1, 1), -WALL, WALL)
    offset = ball - point
    distance = float(np.linalg.norm(offset))
    if 0 < distance < CONTACT:
        ball[:] = np.clip(point + offset / distance * CONTACT, -WALL, WALL)
    return after


def _named(places: Vector) -> dict[str, Vector]:
    return {thing: places[row] for thing, row in ROW.items()}


class PointsEnv(gymnasium.Env[Observation, Action]):
    """A point in a square, one task; the variation alone determines the episode.

    ``observation["state"]`` holds the places of ``THINGS`` in this order, the flag last.
    Without ``options`` a variation of the split ``train`` is drawn from the seed.

    Args:
        task: Name of the task.
        horizon: Number of steps after which an episode is truncated.
        camera: Takes the pictures of ``render``; None where there are none.
        images: Width and height of ``observation["top"]``, which shows everything from
            above [px]; 0 for none.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self, task: str, horizon: int, camera: Camera | None = None, *, images: int = 0
    ) -> None:
        self.task = task
        self.horizon = horizon
        self.camera = camera
        self.render_mode = None if camera is None else "rgb_array"
        self.images = images
        self.blind = False
        box = gymnasium.spaces.Box
        seen: dict[str, gymnasium.Space[Any]] = {
            "state": box(-WALL, WALL, (2 * len(THINGS),), np.float32)
        }
        if images:
            seen[IMAGE] = box(0, 255, (images, images, 3), np.uint8)
        self.observation_space: gymnasium.Space[Any] = gymnasium.spaces.Dict(seen)
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
        variation = requested_variation(SPLITS, self.task, options, self.np_random)
        self._places = _scene(self.task, variation)
        self._step = 0
        return self._observation(self._places), {"success": self._success(self._places)}

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Moves the point; actions beyond [-1, 1] are clipped.

        Raises:
            InputError: If the action is not finite.
            ResetNeeded: If no episode is running.
        """
        if self._places is None or self._step >= self.horizon:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not np.isfinite(action).all():
            raise InputError(
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
            InputError: If the env has no camera.
            ResetNeeded: If no episode is running.
        """
        if self.camera is None:
            raise InputError(f"{self.task} has no camera; make it with one to see it.")
        if self._places is None:
            raise ResetNeeded(f"{self.task}: nothing is there yet; call reset first.")
        width, height = self.camera.width or SIDE, self.camera.height or SIDE
        return draw(_named(self._places), width, height)

    def pictures(self) -> Observation:
        """The image of an observation of now, if observations hold one.

        Raises:
            ResetNeeded: If no episode is running.
        """
        if not self.images:
            return {}
        if self._places is None:
            raise ResetNeeded(f"{self.task}: nothing is there yet; call reset first.")
        return {IMAGE: draw(_named(self._places), self.images, self.images)}

    def _observation(self, places: Vector) -> Observation:
        observation: Observation = {"state": places.astype(np.float32).ravel()}
        return observation if self.blind else observation | self.pictures()

    def _distance(self, places: Vector) -> float:
        aim = AIMS[self.task]
        return float(np.linalg.norm(places[ROW[aim.thing]] - places[ROW[aim.goal]]))

    def _success(self, places: Vector) -> bool:
        return self._distance(places) <= REACH
