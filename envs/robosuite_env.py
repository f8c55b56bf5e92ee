"""Gymnasium env of a robosuite task that keeps the contract of robomtl."""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from robomtl.camera import Camera
from robomtl.envs.mujoco_alterations import Alterations
from robomtl.envs.pictured_env import PicturedEnv, pictured_space
from robomtl.envs.robosuite_robots import robot_of
from robomtl.errors import InputError, MissingExtraError, SimulationError
from robomtl.pictures import PROPRIOCEPTION
from robomtl.splits import SPLITS, requested_variation
from robomtl.task import Action, Observation

_MODEL_SEED = 0  # Seed of the size of the cube of Lift, which robosuite draws.
_RATE = 20  # [1/s] Actions per second of simulated time.
_HIDDEN = (0,)  # Group of collision geoms; visual geoms have another.
_BAD_WARNINGS = slice(4, 7)  # mjWARN_BADQPOS, mjWARN_BADQVEL and mjWARN_BADQACC.


@contextmanager
def _drawn(seed: int) -> Iterator[None]:
    """Seeds numpy's global generator, which robosuite uses, during the block."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


@contextmanager
def _no_model_of_the_robot_alone(robot_model: Any) -> Iterator[None]:
    """Skips compiling a separate model of the robot, which is slow and never used."""
    compiling = robot_model.set_mujoco_model
    robot_model.set_mujoco_model = lambda robot: None
    try:
        yield
    finally:
        robot_model.set_mujoco_model = compiling


def _made(name: str) -> Any:
    """Makes robosuite's env of a name, with a Panda, a sparse reward and no renderer."""
    # Importing it logs irrelevant warnings.
    logger = logging.getLogger("robosuite_logs")
    logger.addFilter(_is_error)
    try:
        import robosuite
        from robosuite.models.robots import RobotModel
    except ImportError as error:
        raise MissingExtraError(
            f"robosuite cannot be imported ({error}). Install it with: pip install"
            " 'robomtl[robosuite]'"
        ) from error
    with _drawn(_MODEL_SEED), _no_model_of_the_robot_alone(RobotModel):
        return robosuite.make(
            name,
            robots="Panda",
            has_renderer=False,
            has_offscreen_renderer=False,
            use_camera_obs=False,
            use_object_obs=False,
            reward_shaping=False,
            ignore_done=True,
            hard_reset=False,
            control_freq=_RATE,
        )


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


class RobosuiteEnv(PicturedEnv):
    """Env of a task, whose episodes depend only on the variation.

    Without ``options``, a variation of the split ``train`` is drawn from the seed.
    robosuite's env is ``simulator``.

    Args:
        task: Name of the task.
        horizon: Number of steps after which an episode is truncated.
        camera: Camera of ``render``, without fields that are None; None for none.
        observed: Cameras of the observed images, by name of the feature; with them,
            ``proprioception`` is observed as well.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": _RATE}

    def __init__(
        self,
        task: str,
        *,
        horizon: int,
        camera: Camera | None = None,
        observed: Mapping[str, Camera] = MappingProxyType({}),
    ) -> None:
        self.task, self.horizon = task, horizon
        self.simulator = _made(task)
        # Imported after robosuite, which both modules need.
        from robomtl.envs.mujoco_camera import MujocoCamera
        from robomtl.envs.robosuite_arm import Arm

        self._arm = arm = Arm(self.simulator)
        self._robot = robot = robot_of(task)
        self._reader = robot.reader(self.simulator, task)

        def eye(each: Camera) -> MujocoCamera:
            assert each.name is not None
            return MujocoCamera(
                arm.model, arm.data, each, at=each.name, hidden_groups=_HIDDEN
            )

        self.eye = eye(camera) if camera else None
        self.render_mode = "rgb_array" if camera else None
        self.observed = {name: eye(each) for name, each in observed.items()}
        self.blind = False
        self.observation_space: gymnasium.Space[Any] = pictured_space(
            len(robot.names), robot.own, self.observed
        )
        actions = (robot.action.size,)
        self.action_space = gymnasium.spaces.Box(-1, 1, actions, np.float32)
        # MuJoCo counts a diverged state and resets it silently.
        self.alterations = Alterations(self._arm.model, self._arm.data)
        self._instabilities = self._arm.data.warning.number[_BAD_WARNINGS]
        self._variation = -1
        self._steps = horizon  # No episode is running.

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            InputError: If no split has the variation.
        """
        super().reset(seed=seed)
        variation = requested_variation(SPLITS, self.task, options, self.np_random)
        with _drawn(variation):
            self.simulator.reset()
        self._arm.begin()
        self._variation, self._steps = variation, 0
        return self._observation(), {"success": self._success()}

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Takes a step; actions are clipped to [-1, 1].

        An episode that robosuite ends, as in ``Wipe``, is truncated.

        Raises:
            InputError: If the action has another size than the robot's or is not finite.
            ResetNeeded: If no episode is running.
            SimulationError: If the simulator goes unstable.
        """
        if self._steps >= self.horizon:
            raise ResetNeeded(
                f"{self.task}: no episode is running, or it is over; call reset first."
            )
        checked = self._checked(action)
        self._arm.act(checked)
        ended = self._robot.conclude(self.simulator, checked)
        self._steps += 1
        observation, success = self._observation(), self._success()
        truncated = ended or self._steps == self.horizon
        self._steps = self.horizon if truncated else self._steps
        return observation, float(success), False, truncated, {"success": success}

    def close(self) -> None:
        """Closes robosuite's env and its cameras."""
        super().close()
        self.simulator.close()

    def _checked(self, action: Action) -> Any:
        numbers, size = np.asarray(action, np.float64), self._robot.action.size
        if numbers.shape != (size,) or not np.isfinite(numbers).all():
            raise InputError(
                f"{self.task}, step {self._steps}: the action {action} is not"
                f" {size} finite numbers."
            )
        return np.clip(numbers, -1, 1)

    def _success(self) -> bool:
        return bool(self.simulator._check_success())

    def _observation(self) -> Observation:
        state = self._reader.state()
        if self._instabilities.any() or not math.isfinite(state.dot(state)):
            self._fail()
        numbers = state.astype(np.float32)
        if not self.observed:
            return {"state": numbers}
        own = {"state": numbers, PROPRIOCEPTION: numbers[: self._robot.own].copy()}
        return own if self.blind else own | self.pictures()

    def _fail(self) -> NoReturn:
        step, self._steps = self._steps, self.horizon
        reason = "positions, velocities or accelerations not finite or huge"
        raise SimulationError(self.task, self._variation, step, reason)
