"""Meta-World's tasks with the same physics and less Python around it.

A step is 5 ``mj_step`` and 1 ``mj_forward``, as Meta-World takes them: the latter's
solution starts the next step's solver, so leaving it out would change trajectories.
What differs from Meta-World:

1. States are written by a table of views, success is decided by a table of rules.
2. Rewards, and with them Meta-World's search of contacts, are computed only if requested;
   then by Meta-World's own ``evaluate_state``.
3. The place of target sites, which ``mj_forward`` would overwrite, is not set; nor are
   body accelerations (``mj_rnePostConstraint``), which nothing reads, computed.
4. Starts of episodes are kept, and restored in place of 500 steps of physics.
5. Where the hand comes to rest is kept too, for resets to variations not yet seen.
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

_VIEWED = ("xpos", "site_xpos")  # Arrays of the data that attributes may be rows of.


class _Start(NamedTuple):
    """All that a reset leaves behind."""

    state: Vector
    """First state; (39,)."""
    physics: Vector
    """MuJoCo's integration state."""
    body_pos: Vector
    """Positions of bodies in the model; (body, 3)."""
    site_pos: Vector
    """Positions of sites in the model; (site, 3)."""
    attributes: dict[str, Any]
    """Attributes that the reset set."""
    views: dict[str, tuple[str, int]]
    """Attributes that are a row of an array of the data."""


_STARTS: Latest[tuple[str, bytes], _Start] = Latest(4096)  # Each takes about 6 kB.


def _row(data: Any, value: Any) -> tuple[str, int] | None:
    """The array of the data and its row that a value is a view of."""
    for name in _VIEWED if isinstance(value, np.ndarray) else ():
        array = getattr(data, name)
        if np.shares_memory(value, array):
            rows = range(len(array))
            return name, next(i for i in rows if np.shares_memory(value, array[i]))
    return None


class _FastTouch:
    """Meta-World's test of a grasp, in one pass over the contacts."""

    data: Any

    def touching_object(self, object_geom_id: int) -> bool:
        """Whether both finger pads press upon an object."""
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
    """Runs a task fast; states, success and rewards are Meta-World's.

    Args:
        task: Name of the task.
        dense_reward: Whether to compute Meta-World's shaped reward at each step.
        textured: Whether cameras look at it.
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
        """Starts as the first reset of an env just made, from memory if it can; (39,)."""
        placed = vector if hand is None else np.concatenate([vector, hand])
        key = (self._task, placed.tobytes())
        start = _STARTS.get(key)
        with self._turn:
            self._turn.restore()
            if start is None:
                start = self._simulated_start(vector, hand)
                _STARTS.put(key, start)
            # Also what was just simulated, whose positions lag a physics step behind:
            # then the first picture is the same whether the start was kept or not.
            self._restore(start)
            self._turn.keep()
        self._state[:] = start.state
        return start.state

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model of the episode that was just begun; ``begin`` undoes it."""
        start = physics(self._model, self._data)
        with self._turn:
            self._turn.alter(change)
            mujoco.mj_forward(self._model, self._data)
            # As after a start: mj_forward leaves its solution for the next step's solver.
            mujoco.mj_setState(self._model, self._data, start, PHYSICS)

    def hand_at(self, offset: Vector) -> Vector:
        """Where ``begin`` puts a hand that starts elsewhere; see ``Simulator``."""
        return self._upstream.hand_at(offset)

    def step(self, action: NDArray[np.float32]) -> Outcome:
        """Takes an action within [-1, 1]; (4,)."""
        # Product in float32, sum in float64, as Meta-World rounds them.
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
        """The state after a step; (39,)."""
        state = self._state
        self._before[:] = self._now
        self._hand[:] = self._hand_source
        right, left = self._claws
        apart = right - left
        # The claws come apart by 0.1 m, and a little more by inaccuracy.
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
        # Again, for mj_forward leaves its own solution for the next step's solver.
        mujoco.mj_setState(model, data, start.physics, PHYSICS)
        env.__dict__.clear()
        env.__dict__.update(self._upstream.attributes | start.attributes)
        for name, (array, row) in start.views.items():
            setattr(env, name, getattr(data, array)[row])
