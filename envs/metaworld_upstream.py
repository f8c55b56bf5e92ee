"""Simulator that runs Meta-World's own envs.

Meta-World's envs carry state in their model and attributes from one episode to the next.
Here every episode begins as in a new env.
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
    """Mixin that uses a given compiled model instead of compiling one."""

    given: Any

    def _initialize_simulation(self) -> tuple[Any, Any]:
        return self.given, mujoco.MjData(self.given)


HAND_RANGE = np.array([[-0.1, -0.1, 0.0], [0.1, 0.0, 0.1]])
"""Lower and upper bounds of translations of the hand's start in ``varied`` [m]; (2, 3).

Only sideways, backwards and up, as scripted experts collide with objects from starts further
forward or down.
"""

_KEPT_AXIS = {"handle-pull-side-v3": 1, "lever-pull-v3": 2}
"""Axis along which the hand's start is not varied, by task; otherwise the expert collides
with the handle (in 14 of 40 episodes) or the lever (in 6 of 40)."""


@functools.cache
def _env_class(task: str, mixins: tuple[type[Any], ...]) -> type[Any]:
    upstream = ENV_CLS_MAP[task]
    return type(upstream.__name__, (*mixins, _Given, upstream), {})


def make_upstream_env(task: str, model: Any, *mixins: type[Any]) -> Any:
    """Meta-World's env of a task with observable goal, without a vector for its reset.

    Args:
        task: Name of the task.
        model: MuJoCo's model of the task, which resets change.
        *mixins: Classes whose methods replace those of the env.
    """
    made = _env_class(task, mixins)
    env = object.__new__(made)
    env.given = model  # The constructor of the env uses it.
    made.__init__(env)
    env._set_task_called = True
    env._freeze_rand_vec = True
    env._partially_observable = False
    # This cached property has bounds of the goal, so it is computed again.
    del env.sawyer_observation_space
    assert env.sawyer_observation_space
    return env


def hand_range(task: str, env: Any) -> tuple[Vector, Vector]:
    """Lower and upper bounds of the hand's start in ``varied`` [m]; (3,) each.

    The bounds are within those of the hand's positions during an episode.

    Args:
        task: Name of the task.
        env: Meta-World's env, or an object with its attributes.
    """
    offsets = HAND_RANGE.copy()
    if task in _KEPT_AXIS:
        offsets[:, _KEPT_AXIS[task]] = 0
    low, high = env.hand_init_pos + offsets
    return np.maximum(low, env.mocap_low), np.minimum(high, env.mocap_high)


class UpstreamSimulator:
    """Simulator that runs a task's env as Meta-World ships it.

    Args:
        task: Name of the task.
        *mixins: Classes whose methods replace those of the env.
        model: MuJoCo's model of the task, as compiled; None for a separate copy.
    """

    def __init__(self, task: str, *mixins: type[Any], model: Any = None) -> None:
        own = shared_model(task, textured=True).copy() if model is None else model
        self._task = task
        self.env = make_upstream_env(task, own, *mixins)
        self.attributes = dict(self.env.__dict__)
        # Resets change only these two arrays of the model.
        self._body_pos = self.env.model.body_pos.copy()
        self._site_pos = self.env.model.site_pos.copy()

    def begin(self, vector: Vector, hand: Vector | None = None) -> Vector:
        """Starts an episode like the first reset of a new env; returns its state; (39,)."""
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
        """Argument ``hand`` of ``begin`` for a translated start; see ``Simulator``."""
        env = SimpleNamespace(**self.attributes)
        low, high = hand_range(self._task, env)
        size = np.where(high > low, high - low, 1.0)
        hand: Vector = np.clip((env.hand_init_pos + offset - low) / size, 0, 1)
        return hand

    def step(self, action: NDArray[np.float32]) -> Outcome:
        """Takes a step of Meta-World's env."""
        # The caller has its own horizon; the env would end episodes after 500 steps.
        self.env.curr_path_length = 0
        state, reward, _, _, info = self.env.step(action)
        return Outcome(state, float(reward), bool(info["success"]))
