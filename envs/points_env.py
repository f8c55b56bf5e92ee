"""Env of a square with a point, a ball, three coloured targets and a flag.

All tasks have the same distribution of scenes, so that no scene reveals its task.
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
SPEED = 0.07  # Largest displacement of the point in a step, along each axis.
CONTACT = 0.1  # Distance between point and ball after a push.
REACH = 0.11  # Distance at which a goal counts as reached; above CONTACT, for the ball.
IMAGE = "top"  # Name of the image in observations.
SIDE = 128  # Default width and height of images [px].
WALL = 1.0  # Points and balls stay within [-WALL, WALL].
SPREAD = 0.7  # Objects start within [-SPREAD, SPREAD], ...
GAP = 0.3  # ... at least this far apart.

THINGS = ("point", "ball", "red", "green", "blue", "flag")
ROW = {name: row for row, name in enumerate(THINGS)}


def _scene(task: str, variation: int) -> Vector:
    """Initial positions of a variation, drawn from a hash of the names; (object, 2)."""
    digest = hashlib.sha256(f"{task} {variation}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    positions: list[Vector] = []
    while len(positions) < len(THINGS):
        drawn = generator.uniform(-SPREAD, SPREAD, size=2)
        if all(np.linalg.norm(drawn - other) >= GAP for other in positions):
            positions.append(drawn)
    return np.stack(positions)


def _moved(positions: Vector, action: Vector) -> Vector:
    """Positions after a step: the point moves, and pushes the ball; (object, 2)."""
    after = positions.copy()
    point, ball = after[ROW["point"]], after[ROW["ball"]]
    point[:] = np.clip(point + SPEED * np.clip(action, -1, 1), -WALL, WALL)
    offset = ball - point
    distance = float(np.linalg.norm(offset))
    if 0 < distance < CONTACT:
        ball[:] = np.clip(point + offset / distance * CONTACT, -WALL, WALL)
    return after


def _named(positions: Vector) -> dict[str, Vector]:
    return {thing: positions[row] for thing, row in ROW.items()}


class PointsEnv(gymnasium.Env[Observation, Action]):
    """Env of a task, whose episodes depend only on the variation.

    ``observation["state"]`` has the positions of ``THINGS`` in this order, the flag last.
    Without ``options``, a variation of the split ``train`` is drawn from the seed.

    Args:
        task: Name of the task.
        horizon: Number of steps after which an episode is truncated.
        camera: Camera of ``render``; None for none.
        images: Width and height of the image ``observation["top"]``, which shows the scene
            from above [px]; 0 for none.
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
        self._positions: Vector | None = None
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            ValueError: If no split has the variation.
        """
        super().reset(seed=seed)
        variation = requested_variation(SPLITS, self.task, options, self.np_random)
        self._positions = _scene(self.task, variation)
        self._step = 0
        return self._observation(self._positions), {
            "success": self._success(self._positions)
        }

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Moves the point; actions are clipped to [-1, 1].

        Raises:
            InputError: If the action is not finite.
            ResetNeeded: If no episode is running.
        """
        if self._positions is None or self._step >= self.horizon:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not np.isfinite(action).all():
            raise InputError(
                f"{self.task}, step {self._step}: the action {action} is not finite."
            )
        self._positions = _moved(self._positions, np.asarray(action, np.float64))
        self._step += 1
        return (
            self._observation(self._positions),
            -self._distance(self._positions),
            False,
            self._step == self.horizon,
            {"success": self._success(self._positions)},
        )

    def render(self) -> Picture:
        """Image of the scene from above, with discs for objects; (height, width, 3).

        Raises:
            InputError: If the env has no camera.
            ResetNeeded: If no episode is running.
        """
        if self.camera is None:
            raise InputError(f"{self.task} has no camera; make the env with one.")
        if self._positions is None:
            raise ResetNeeded(f"{self.task}: no episode was started; call reset first.")
        width, height = self.camera.width or SIDE, self.camera.height or SIDE
        return draw(_named(self._positions), width, height)

    def pictures(self) -> Observation:
        """Image of the current observation, by name; empty if images are not observed.

        Raises:
            ResetNeeded: If no episode is running.
        """
        if not self.images:
            return {}
        if self._positions is None:
            raise ResetNeeded(f"{self.task}: no episode was started; call reset first.")
        return {IMAGE: draw(_named(self._positions), self.images, self.images)}

    def _observation(self, positions: Vector) -> Observation:
        observation: Observation = {"state": positions.astype(np.float32).ravel()}
        return observation if self.blind else observation | self.pictures()

    def _distance(self, positions: Vector) -> float:
        aim = AIMS[self.task]
        offset = positions[ROW[aim.thing]] - positions[ROW[aim.goal]]
        return float(np.linalg.norm(offset))

    def _success(self, positions: Vector) -> bool:
        return self._distance(positions) <= REACH
