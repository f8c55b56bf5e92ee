"""Gymnasium env of a Fetch task that keeps the contract of robomtl.

Differences from Gymnasium-Robotics:

1. Reach has the state of the other tasks, with zeros in place of the object; in
   Gymnasium-Robotics it observes only the 10 numbers of the robot.
2. The marker of the goal is moved at reset. Gymnasium-Robotics moves it during rendering, by
   a computation that changes the simulator's state, so that rendering changes an episode.
3. A diverging simulation is an error. MuJoCo resets it silently.
"""

from collections.abc import Mapping
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import gymnasium
import mujoco
import numpy as np

from robomtl.envs.fetch_tasks import GOAL, IDS, NAMES, OWN
from robomtl.envs.mujoco_alterations import Alterations
from robomtl.envs.mujoco_camera import MujocoCamera
from robomtl.envs.pictured_env import PicturedEnv, pictured_space
from robomtl.errors import SimulationError
from robomtl.extras import library
from robomtl.features import STATE
from robomtl.gymnasium_env import EnvSettings, GymnasiumEnv
from robomtl.pictures import PROPRIOCEPTION
from robomtl.task import Action, Observation

_BAD_WARNINGS = slice(4, 7)  # mjWARN_BADQPOS, mjWARN_BADQVEL and mjWARN_BADQACC.
_MARKER = "target0"


class _Whole(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Wrapper of Gymnasium-Robotics' env with differences 1 and 2 of the module."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        inside: Any = env.observation_space
        whole = gymnasium.spaces.Box(-np.inf, np.inf, (GOAL.start,), np.float64)
        self.observation_space = gymnasium.spaces.Dict(
            {**inside.spaces, "observation": whole}
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode and moves the marker to its goal."""
        observation, info = super().reset(seed=seed, options=options)
        inside: Any = self.env.unwrapped
        model, data = inside.model, inside.data
        marker = model.site(_MARKER)
        model.site_pos[marker.id] = inside.goal - data.xpos[marker.bodyid[0]]
        mujoco.mj_kinematics(
            model, data
        )  # Does not change the simulation that follows.
        return self._padded(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Takes a step."""
        observation, reward, terminated, truncated, info = super().step(action)
        return self._padded(observation), reward, terminated, truncated, info

    def _padded(self, observation: Any) -> Any:
        own = observation["observation"]
        if len(own) == GOAL.start:
            return observation
        whole = np.zeros(GOAL.start)
        whole[list(OWN)] = own
        return {**observation, "observation": whole}


def upstream(task: str) -> gymnasium.Env[Any, Any]:
    """Env of Gymnasium-Robotics, without the wrappers of ``gymnasium.make``.

    Raises:
        MissingExtraError: If the extra ``fetch`` is missing.
    """
    need = "The suite fetch needs Gymnasium-Robotics"
    with redirect_stderr(StringIO()):  # It prints a notice about another robot's tasks.
        gymnasium_robotics = library("gymnasium_robotics", extra="fetch", need=need)
    gymnasium.register_envs(gymnasium_robotics)
    return gymnasium.make(IDS[task], disable_env_checker=True).unwrapped


class FetchEnv(PicturedEnv, GymnasiumEnv):
    """Env of a task, whose episodes depend only on the variation.

    Args:
        env: Env of Gymnasium-Robotics.
        task: Name of the task.
        horizon: Number of steps after which an episode is truncated.
        eye: Camera of ``render``; None for none.
        observed: Cameras of the observed images, by name of the feature; with them,
            ``proprioception`` is observed as well.
    """

    # 20 physics steps of 2 ms.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        task: str,
        *,
        horizon: int,
        eye: MujocoCamera | None,
        observed: Mapping[str, MujocoCamera],
    ) -> None:
        inside: Any = env.unwrapped
        settings = EnvSettings(horizon=horizon, success="is_success")
        super().__init__(_Whole(env), task, settings)
        self.eye = eye
        self.observed = observed
        self.metadata = type(self).metadata
        self.render_mode = None if eye is None else "rgb_array"
        self.alterations = Alterations(inside.model, inside.data)
        self._instabilities = inside.data.warning.number[_BAD_WARNINGS]
        if observed:
            self.observation_space = pictured_space(len(NAMES), len(OWN), observed)

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Takes a step; actions are clipped to [-1, 1].

        Raises:
            InputError: If the action is not finite.
            ResetNeeded: If no episode is running.
            SimulationError: If the simulation diverges.
        """
        observation, reward, terminated, truncated, info = super().step(action)
        if self._instabilities.any():
            step, self.steps = self.steps or self.horizon, None
            raise SimulationError(
                self.task, self.variation, step, "the simulation diverged"
            )
        return observation, reward, terminated, truncated, info

    def _observed(self, observation: Any) -> Observation:
        seen = super()._observed(observation)
        if not self.observed:
            return seen
        own = {**seen, PROPRIOCEPTION: seen[STATE][list(OWN)]}
        return own if self.blind else own | self.pictures()
