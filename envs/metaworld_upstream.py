"""Meta-World's own envs, behind two calls: begin an episode, take a step.

Meta-World's envs carry model and attribute state from one episode into the next. Here
every episode begins as in an env just made, whatever was simulated before.
"""

import functools
from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
from metaworld.env_dict import ENV_CLS_MAP
from numpy.typing import NDArray

from robomtl.envs.metaworld_model import shared_model
from robomtl.envs.metaworld_simulator import Outcome, Vector


class _Given:
    """Takes a compiled model where Meta-World's envs compile theirs."""

    given: Any

    def _initialize_simulation(self) -> tuple[Any, Any]:
        return self.given, mujoco.MjData(self.given)


HAND_RANGE = np.array([[-0.1, -0.1, 0.0], [0.1, 0.0, 0.1]])
"""Least and greatest way of varied starts of the hand from the task's own [m]; (2, 3).

Sideways, backwards and up: forwards and down scripted experts run into what stands there.
"""

_KEPT_AXIS = {"handle-pull-side-v3": 1, "lever-pull-v3": 2}
"""An axis along which the hand begins where the task has it: from elsewhere the expert
runs into the handle (in 14 of 40 episodes) or the lever (in 6 of 40)."""


@functools.cache
def _env_class(task: str, mixins: tuple[type[Any], ...]) -> type[Any]:
    upstream = ENV_CLS_MAP[task]
    return type(upstream.__name__, (*mixins, _Given, upstream), {})


def make_upstream_env(task: str, model: Any, *mixins: type[Any]) -> Any:
    """Meta-World's env of a task, its goal observable, waiting for a vector.

    Args:
        task: Name of the task.
        model: MuJoCo's model of the task; resets write into it.
        *mixins: Classes whose methods replace those of the env.
    """
    made = _env_class(task, mixins)
    env = object.__new__(made)
    env.given = model  # The constructor requires it.
    made.__init__(env)
    env._set_task_called = True
    env._freeze_rand_vec = True
    env._partially_observable = False
    # A cached property that holds the goal's bounds: forgotten, and cached anew.
    del env.sawyer_observation_space
    assert env.sawyer_observation_space
    return env


def hand_range(task: str, env: Any) -> tuple[Vector, Vector]:
    """Least and greatest place where varied starts rest the hand [m]; (3,) each.

    Within the bounds that actions keep to.

    Args:
        task: Name of the task.
        env: Meta-World's env, or what has its attributes.
    """
    way = HAND_RANGE.copy()
    if task in _KEPT_AXIS:
        way[:, _KEPT_AXIS[task]] = 0
    low, high = env.hand_init_pos + way
    return np.maximum(low, env.mocap_low), np.minimum(high, env.mocap_high)


class UpstreamSimulator:
    """Runs the env of a task as Meta-World ships it.

    Args:
        task: Name of the task.
        *mixins: Classes whose methods replace those of the env.
        model: MuJoCo's model of the task, as compiled; one of its own if None.
    """

    def __init__(self, task: str, *mixins: type[Any], model: Any = None) -> None:
        own = shared_model(task, textured=True).copy() if model is None else model
        self._task = task
        self.env = make_upstream_env(task, own, *mixins)
        self.attributes = dict(self.env.__dict__)
        # Of the model's arrays, resets write only these two.
        self._body_pos = self.env.model.body_pos.copy()
        self._site_pos = self.env.model.site_pos.copy()

    def begin(self, vector: Vector, hand: Vector | None = None) -> Vector:
        """Resets as the first reset of an env just made; (39,)."""
        env = self.env
        env.__dict__.clear()
        env.__dict__.update(self.attributes)
        env.model.body_pos[:] = self._body_pos
        env.model.site_pos[:] = self._site_pos
        mujoco.mj_resetData(env.model, env.data)
        mujoco.mj_forward(env.model, env.data)
        env._last_rand_vec = vector.copy()
        if hand is not None:
            low, high = hand_range(self._task, env)
            env.hand_init_pos = low + hand * (high - low)
        state: Vector = env.reset()[0]
        return state

    def hand_at(self, offset: Vector) -> Vector:
        """Where ``begin`` puts a hand that starts elsewhere; see ``Simulator``."""
        env = SimpleNamespace(**self.attributes)
        low, high = hand_range(self._task, env)
        size = np.where(high > low, high - low, 1.0)
        found: Vector = np.clip((env.hand_init_pos + offset - low) / size, 0, 1)
        return found

    def step(self, action: NDArray[np.float32]) -> Outcome:
        """Steps the env as Meta-World does."""
        # Horizons are the caller's; the env's own would end episodes at 500 steps.
        self.env.curr_path_length = 0
        state, reward, _, _, info = self.env.step(action)
        return Outcome(state, float(reward), bool(info["success"]))
