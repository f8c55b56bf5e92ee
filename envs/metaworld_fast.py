"""Fast simulator of Meta-World's tasks, with the same physics and less Python code.

A step is 5 ``mj_step`` and 1 ``mj_forward``, as in Meta-World: the solution of the latter
is the starting point of the next step's solver, so omitting it would change trajectories.
Differences from Meta-World:

1. A table of views writes states, and a table of rules determines success.
2. Rewards, which need Meta-World's search of contacts, are computed only if requested, by
   Meta-World's own ``evaluate_state``.
3. The positions of target sites are not set, as ``mj_forward`` would overwrite them; body
   accelerations (``mj_rnePostConstraint``) are not computed, as nothing reads them.
4. Initial states of episodes are cached, which saves 500 steps of physics.
5. Resting states of the hand are cached too, for resets to new variations.
6. The envs of a task share one model.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from robomtl.envs.metaworld_memory import PHYSICS, Latest, RememberedHand, physics
from robomtl.envs.metaworld_model import Turn, shared_model
from robomtl.envs.metaworld_objects import object_writers
from robomtl.envs.metaworld_simulator import Outcome, Vector
from robomtl.envs.metaworld_success import SUCCESS, Scene
from robomtl.envs.metaworld_upstream import UpstreamSimulator

_VIEWED = ("xpos", "site_xpos")  # Arrays of MjData whose rows attributes may view.


class _Start(NamedTuple):
    """Result of a reset, from which it can be restored."""

    state: Vector
    """First state; (39,)."""
    physics: Vector
    """MuJoCo's integration state."""
    body_pos: Vector
    """Positions of bodies in the model; (body, 3)."""
    site_pos: Vector
    """Positions of sites in the model; (site, 3)."""
    attributes: dict[str, Any]
    """Attributes of the env that the reset set."""
    views: dict[str, tuple[str, int]]
    """Attributes of the env that are views: name of the array in MjData, and row."""


_STARTS: Latest[tuple[str, bytes], _Start] = Latest(4096)  # Each needs about 6 kB.


def _row(data: Any, value: Any) -> tuple[str, int] | None:
    """Array of MjData and its row that a value is a view of; None if it is none."""
    for name in _VIEWED if isinstance(value, np.ndarray) else ():
        array = getattr(data, name)
        if np.shares_memory(value, array):
            rows = range(len(array))
            return name, next(i for i in rows if np.shares_memory(value, array[i]))
    return None


class _FastTouch:
    """Meta-World's check for a grasp, in one pass over the contacts."""

    data: Any

    def touching_object(self, object_geom_id: int) -> bool:
        """Whether both finger pads press on an object."""
        data = self.data
        left, right = data.geom("leftpad_geom").id, data.geom("rightpad_geom").id
        contact, left_force, right_force = data.contact, 0.0, 0.0
        pairs, rows = contact.geom.tolist(), contact.efc_address.tolist()
        for pair, row in zip(pairs, rows, strict=True):
            if object_geom_id in pair:
                left_force += data.efc_force[row] if left in pair else 0.0
                right_force += data.efc_force[row] if right in pair else 0.0
        return bool(left_force > 0 and right_force > 0)


class FastSimulator:
    """Fast simulator of a task, with the same states, success and rewards as Meta-World.

    Args:
        task: Name of the task.
        dense_reward: Whether to compute Meta-World's shaped reward at each step.
        textured: Whether to load textures, which only rendering needs.
    """

    def __init__(
        self, task: str, *, dense_reward: bool, textured: bool = False
    ) -> None:
        shared = shared_model(task, textured=textured)
        self._turn = Turn(shared)
        with self._turn:
            self._upstream = UpstreamSimulator(
                task, _FastTouch, RememberedHand, model=shared.model
            )
        self.env = self._upstream.env
        self._task = task
        self._dense_reward = dense_reward
        self._model, self._data = self.env.model, self.env.data
        self._bind_action()
        self._bind_state()

    def begin(self, vector: Vector, hand: Vector | None = None) -> Vector:
        """Starts an episode like the first reset of a new env; returns its state; (39,)."""
        placed = vector if hand is None else np.concatenate([vector, hand])
        key = (self._task, placed.tobytes())
        start = _STARTS.get(key)
        with self._turn:
            self._turn.restore()
            if start is None:
                start = self._simulated_start(vector, hand)
                _STARTS.put(key, start)
            # Restored even if it was just simulated, as its positions then lag a physics
            # step behind; so the first image does not depend on the cache.
            self._restore(start)
            self._turn.keep()
        self._state[:] = start.state
        return start.state

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model for the episode that has just begun; ``begin`` undoes it."""
        start = physics(self._model, self._data)
        with self._turn:
            self._turn.alter(change)
            mujoco.mj_forward(self._model, self._data)
            # As in _restore: mj_forward would leave its solution to the next step's solver.
            mujoco.mj_setState(self._model, self._data, start, PHYSICS)

    def hand_at(self, offset: Vector) -> Vector:
        """Argument ``hand`` of ``begin`` for a translated start; see ``Simulator``."""
        return self._upstream.hand_at(offset)

    def step(self, action: NDArray[np.float32]) -> Outcome:
        """Takes a step with an action within [-1, 1]; (4,)."""
        # Product in float32 and sum in float64, as in Meta-World.
        target = self._mocap + action[:3] * self._action_scale
        np.minimum(np.maximum(target, self._low, out=target), self._high, out=target)
        self._mocap[:] = target
        grip = action[3]
        self._ctrl[0], self._ctrl[1] = grip, -grip
        with self._turn:
            mujoco.mj_step(self._model, self._data, nstep=self._num_substeps)
            mujoco.mj_forward(self._model, self._data)
        state = self._read()
        if self._dense_reward:
            reward, info = self.env.evaluate_state(state.copy(), action)
            return Outcome(state, float(reward), bool(info["success"]))
        return Outcome(state, math.nan, self._done())

    def _bind_action(self) -> None:
        env = self.env
        self._mocap, self._ctrl = self._data.mocap_pos[0], self._data.ctrl
        self._action_scale = np.float32(env.action_scale)
        self._low, self._high = env.mocap_low, env.mocap_high
        self._num_substeps = env.frame_skip

    def _bind_state(self) -> None:
        data, state = self._data, np.zeros(39)
        space = self.env.sawyer_observation_space
        self._least, self._greatest = space.low, space.high
        self._state = state
        self._now, self._before, self._goal = state[:18], state[18:36], state[36:]
        self._hand = state[:3]
        self._hand_source = data.body("hand").xpos
        self._claws = data.body("rightclaw").xpos, data.body("leftclaw").xpos
        self._writers = object_writers(self._task, data, state)
        self._done = SUCCESS[self._task](Scene(self.env, state))

    def _read(self) -> Vector:
        """Updates and returns the state after a step; (39,)."""
        state = self._state
        self._before[:] = self._now
        self._hand[:] = self._hand_source
        right, left = self._claws
        apart = right - left
        # The claws open by 0.1 m, and slightly more by numerical errors.
        state[3] = min(math.sqrt(apart.dot(apart)) / 0.1, 1.0)
        for write in self._writers:
            write()
        self._goal[:] = self.env._target_pos
        np.maximum(state, self._least, out=state)
        np.minimum(state, self._greatest, out=state)
        return state

    def _simulated_start(self, vector: Vector, hand: Vector | None) -> _Start:
        state = self._upstream.begin(vector, hand)
        changed = {
            name: value
            for name, value in self.env.__dict__.items()
            if value is not self._upstream.attributes.get(name)
        }
        rows = {name: _row(self._data, value) for name, value in changed.items()}
        return _Start(
            state,
            physics(self._model, self._data),
            self._model.body_pos.copy(),
            self._model.site_pos.copy(),
            {name: value for name, value in changed.items() if rows[name] is None},
            {name: row for name, row in rows.items() if row is not None},
        )

    def _restore(self, start: _Start) -> None:
        model, data, env = self._model, self._data, self.env
        model.body_pos[:], model.site_pos[:] = start.body_pos, start.site_pos
        mujoco.mj_resetData(model, data)
        mujoco.mj_setState(model, data, start.physics, PHYSICS)
        mujoco.mj_forward(model, data)
        # Again, as mj_forward leaves its own solution to the next step's solver.
        mujoco.mj_setState(model, data, start.physics, PHYSICS)
        env.__dict__.clear()
        env.__dict__.update(self._upstream.attributes | start.attributes)
        for name, (array, row) in start.views.items():
            setattr(env, name, getattr(data, array)[row])
