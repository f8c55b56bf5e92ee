"""Gymnasium env of a Meta-World task that keeps the contract of robomtl."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from robomtl.envs.metaworld_simulator import Simulator, Vector
from robomtl.envs.metaworld_starts import VariedStarts
from robomtl.envs.metaworld_variations import TRAIN, Variations
from robomtl.envs.pictured_env import Eye, PicturedEnv, pictured_space
from robomtl.errors import InputError, SimulationError
from robomtl.pictures import PROPRIOCEPTION
from robomtl.shifts.hand_start import HAND_OFFSET
from robomtl.shifts.shift import Alterable
from robomtl.task import Action, Observation

GOAL = slice(36, 39)
"""Slice of the goal in a state; zeros if the goal is hidden."""

_OWN = slice(0, 4)  # Slice of the hand's position and the gripper's opening in a state.
_STATE_SIZE = 39
_ACTION_SIZE = 4

_BAD = ("positions", "velocities", "accelerations")
_BAD_WARNINGS = slice(4, 7)  # mjWARN_BADQPOS, mjWARN_BADQVEL and mjWARN_BADQACC.


class MetaWorldEnv(PicturedEnv):
    """Env of a task, whose episodes depend only on the variation.

    Without ``options``, a variation of the split ``train`` is drawn from the seed.
    Meta-World's env, with its model, data and cameras, is ``simulator.env``.

    Args:
        variations: Variations of the task.
        simulator: Simulator of the task.
        horizon: Number of steps after which an episode is truncated.
        goal_observable: Whether states show the goal.
        dense_reward: Whether rewards are Meta-World's shaped ones, from 0 to 10; otherwise
            they are 1 at steps with success and 0 at others.
        eye: Camera of ``render``; None for none.
        observed: Cameras of the observed images, by name of the feature; with them,
            ``proprioception`` is observed as well: the hand's position and the gripper's
            opening.
    """

    # Five physics steps of 2.5 ms.
    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}

    def __init__(
        self,
        variations: Variations | VariedStarts,
        simulator: Simulator,
        *,
        horizon: int,
        goal_observable: bool,
        dense_reward: bool,
        eye: Eye | None = None,
        observed: Mapping[str, Eye] = MappingProxyType({}),
    ) -> None:
        self.task = variations.task
        self.simulator = simulator
        self.horizon = horizon
        self.eye = eye
        self.render_mode = None if eye is None else "rgb_array"
        self.observed = observed
        self.blind = False
        self.observation_space: gymnasium.Space[Any] = pictured_space(
            _STATE_SIZE, _OWN.stop - _OWN.start, observed
        )
        self.action_space = gymnasium.spaces.Box(-1, 1, (_ACTION_SIZE,), np.float32)
        self._variations = variations
        self._goal_observable = goal_observable
        self._dense_reward = dense_reward
        # MuJoCo counts a diverged state and resets it silently.
        self._instabilities = simulator.env.data.warning.number[_BAD_WARNINGS]
        self._variation = -1
        self._steps = horizon  # No episode is running.

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        ``options["hand_offset"]`` translates the initial position of the hand [m]; (3,).

        Raises:
            ValueError: If no split has the variation.
            SimulationError: If the simulator goes unstable.
        """
        super().reset(seed=seed)
        variation = (options or {}).get("variation")
        if variation is None:
            variation = self.np_random.integers(TRAIN.start, TRAIN.stop)
        vector = self._variations.vector(variation)
        hand = self._variations.hand(variation)
        if options and HAND_OFFSET in options:
            hand = self.simulator.hand_at(options[HAND_OFFSET])
        self._variation = int(variation)
        self._steps = 0
        state = self.simulator.begin(vector, hand)
        return self._observation(state), {"success": False}

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Takes a step; actions are clipped to [-1, 1].

        Raises:
            ValueError: If the action is not 4 finite numbers.
            ResetNeeded: If no episode is running.
            SimulationError: If the simulator goes unstable.
        """
        if self._steps >= self.horizon:
            raise ResetNeeded(
                f"{self.task}: no episode is running, or its {self.horizon} steps are"
                " over; call reset first."
            )
        state, reward, success = self.simulator.step(self._checked(action))
        self._steps += 1
        observation = self._observation(state)
        if not self._dense_reward:
            reward = float(success)
        truncated = self._steps == self.horizon
        return observation, reward, False, truncated, {"success": success}

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes MuJoCo's model for the episode that has just begun; see ``Alterable``."""
        assert isinstance(self.simulator, Alterable), "Not of unmodified envs."
        self.simulator.alter(change)

    def close(self) -> None:
        """Closes Meta-World's env and its cameras."""
        super().close()
        self.simulator.env.close()

    def _checked(self, action: Action) -> Action:
        action = np.asarray(action, np.float32)
        numbers = action.tolist() if action.shape == (_ACTION_SIZE,) else [math.nan]
        # A sum in float64 is finite if and only if all its float32 terms are.
        if not math.isfinite(sum(numbers)):
            raise InputError(
                f"{self.task}, step {self._steps}: the action {action} is not"
                f" {_ACTION_SIZE} finite numbers."
            )
        if max(numbers) > 1 or min(numbers) < -1:
            action = np.clip(action, -1, 1)
        return action

    def _observation(self, state: Vector) -> Observation:
        if any(self._instabilities.tolist()) or not math.isfinite(state.dot(state)):
            self._fail()
        observation = state.astype(np.float32)
        if not self._goal_observable:
            observation[GOAL] = 0
        if not self.observed:
            return {"state": observation}
        own = {"state": observation, PROPRIOCEPTION: observation[_OWN].copy()}
        return own if self.blind else own | self.pictures()

    def _fail(self) -> NoReturn:
        step, self._steps = self._steps, self.horizon
        names = [n for n, count in zip(_BAD, self._instabilities, strict=True) if count]
        reason = f"{' and '.join(names) or 'state'} not finite or huge"
        raise SimulationError(self.task, self._variation, step, reason)
