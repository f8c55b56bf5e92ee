"""Adapter from a Gymnasium env that reports success to the env contract of robomtl.

The adapter differs from the wrapped env as follows.

1. The variation is the seed of the reset.
2. Observations become features, see ``robomtl.gymnasium_spaces``.
3. Actions are scaled from [-1, 1] to the bounds of the env, and rounded for integer
   actions.
4. Where the env terminates an episode, after success or failure, the episode is truncated.
   Time limits shorter than the horizon are extended to it.
5. Where a wrapper resets the env within the last step of an episode, the observation and
   the info of that step are read from the final observation and info that the wrapper
   keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from robomtl.arguments import shown
from robomtl.camera import resized, take_picture
from robomtl.env_contract import succeeded, unpacked_reset, unpacked_step
from robomtl.errors import InputError, SimulationError
from robomtl.features import STATE
from robomtl.gymnasium_make import check_reset, give_time
from robomtl.gymnasium_spaces import (
    ActionScale,
    Bounds,
    Part,
    observation_space,
    parts_of,
)
from robomtl.gymnasium_success import Outcome, Success
from robomtl.ranges import check_counts
from robomtl.returned_values import kind_of, number, truth
from robomtl.splits import SPLITS, requested_variation
from robomtl.task import Action, Observation

FINAL = {
    "final_obs": "final_info",
    "final_observation": "final_info",
    "terminal_observation": "terminal_info",
}
"""Keys of info under which autoreset wrappers keep the final observation, and for each the
key of the final info."""


@dataclass(frozen=True, kw_only=True)
class EnvSettings:
    """Settings by which a Gymnasium env is adapted."""

    horizon: int
    """Number of steps after which an episode is truncated."""
    success: Success = "success"
    """Key of info, or function of an ``Outcome``."""
    action_bounds: Bounds | None = None
    """Bounds of action components that the env leaves unbounded."""
    rendered: Mapping[str, int] = field(default_factory=dict)
    """Width and height of the pictures from ``render`` [px], by feature name."""

    def __post_init__(self) -> None:
        """Checks the horizon.

        Raises:
            InputError: If it is not positive.
        """
        check_counts(self, "horizon")


class _Where:
    """Task, variation and step of an env, formatted only when a message needs them."""

    def __init__(self, env: "GymnasiumEnv") -> None:
        self._env = env

    def __str__(self) -> str:
        env = self._env
        return f"{env.task}, variation {env.variation}, step {env.steps or 0}"


class GymnasiumEnv(gymnasium.Env[Observation, Action]):
    """A Gymnasium env adapted to the contract of robomtl; see the module.

    A reset without ``options`` draws a variation of the split ``train`` from the seed.

    Args:
        env: The env to adapt.
        task: Name of the task, for messages.
        settings: Horizon, success, action bounds and rendered pictures.

    Raises:
        InputError: If observations cannot be flattened, actions have no bounds, or resets
            take no seed.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], task: str, settings: EnvSettings
    ) -> None:
        self.env = env
        self.task = task
        self.horizon = settings.horizon
        self._success, self._rendered = settings.success, settings.rendered
        check_reset(task, env)
        give_time(env, settings.horizon)
        self._scale = ActionScale(task, env.action_space, settings.action_bounds)
        self._vectors, self._images = parts_of(task, env.observation_space)
        seen = observation_space(self._vectors, self._images)
        self._size = int(np.prod(seen[STATE].shape or ()))
        for name, size in settings.rendered.items():
            seen[name] = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space: spaces.Space[Any] = spaces.Dict(seen)
        size = int(np.prod(self._scale.space.shape))
        self.action_space = spaces.Box(-1, 1, (size,), np.float32)
        self.metadata = env.metadata
        self.render_mode = env.render_mode
        self.blind = False
        self.cut_at: int | None = None
        """Step at which the env itself truncated the last episode before the horizon."""
        self._where = _Where(self)
        self._latest: Any = None
        self.variation = 0
        self.steps: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            InputError: If no split contains the variation.
        """
        super().reset(seed=seed)
        self.variation = requested_variation(SPLITS, self.task, options, self.np_random)
        self.steps = 0
        result = self.env.reset(seed=self.variation)
        observation, info = unpacked_reset(result, self._where)
        outcome = Outcome(observation, 0.0, False, info)
        # Most envs report no success at reset.
        reported = callable(self._success) or self._success in info
        return self._observed(observation), {
            **info,
            "success": reported and self._succeeded(outcome),
        }

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Takes a step; actions beyond [-1, 1] are clipped.

        Raises:
            InputError: If the action is not finite, or the env reports no success or
                returns values that do not fit its spaces.
            ResetNeeded: If no episode is running.
            SimulationError: If the state, or a value that decides success, is not finite.
        """
        if self.steps is None:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not np.isfinite(action).all():
            raise InputError(
                f"{self.task}, step {self.steps}: the action {action} is not finite."
            )
        result = self.env.step(self._scale(action))
        self.steps += 1
        where = self._where
        observation, reward, terminated, truncated, info = unpacked_step(result, where)
        over = truth(terminated, "terminated", where)
        cut = truth(truncated, "truncated", where)
        if over or cut:
            observation, info = _last(observation, info)
        reward = number(reward, "reward", where)
        outcome = Outcome(observation, reward, over, info, self.steps)
        seen, success = self._observed(observation), self._succeeded(outcome)
        self.cut_at = self.steps if cut and self.steps < self.horizon else None
        ended = over or cut or self.steps == self.horizon
        self.steps = None if ended else self.steps
        return seen, reward, False, ended, {**info, "success": success}

    def pictures(self) -> Observation:
        """The pictures of the current observation, by feature name."""
        return self._drawn()

    def render(self) -> Any:
        """The result of the wrapped env's ``render``."""
        return self.env.render()

    def close(self) -> None:
        """Closes the env."""
        self.env.close()

    def _drawn(self) -> Observation:
        seen = {name: self._picture(name, part) for name, part in self._images.items()}
        for name, size in self._rendered.items():
            seen[name] = resized(take_picture(self.env), size)
        return seen

    def _observed(self, observation: Any) -> Observation:
        self._latest = observation
        state = {STATE: self._state(observation)}
        return state if self.blind else state | self._drawn()

    def _picture(self, name: str, part: Part) -> NDArray[Any]:
        value = self._part(self._latest, part)
        if np.asarray(value).dtype != np.uint8:
            raise InputError(
                f"{self._where}: the picture '{name}' is {kind_of(value)}; expected uint8,"
                " as the observation space says."
            )
        return np.array(value)

    def _state(self, observation: Any) -> NDArray[np.float32]:
        if not self._vectors:
            return np.zeros(1, np.float32)
        flat = [
            self._flat(part, self._part(observation, part)) for part in self._vectors
        ]
        with np.errstate(over="ignore"):  # Infinite values raise an error below.
            state = np.concatenate(flat).astype(np.float32)
        if len(state) != self._size:
            raise InputError(
                f"{self._where}: the observation has {len(state)} numbers; expected"
                f" {self._size}, as the observation space says."
            )
        if not np.isfinite(state).all():
            raise SimulationError(
                self.task, self.variation, self.steps or 0, "its state is not finite"
            )
        return state

    def _flat(self, part: Part, value: Any) -> NDArray[Any]:
        """The numbers of one leaf of an observation."""
        try:
            if _has_number(part.space, value):
                return np.asarray(spaces.flatten(part.space, value))
        except (IndexError, TypeError, ValueError):
            pass  # The message below describes the value.
        raise InputError(
            f"{self._where}: observation '{part.key or STATE}' is {shown(value)}; expected"
            f" a value of {part.space}, as the observation space says."
        )

    def _part(self, observation: Any, part: Part) -> Any:
        """The value of one leaf of an observation, checked against the leaf's shape."""
        value = observation
        for key in part.path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                has = kind_of(value)
                if isinstance(value, Mapping):
                    has = f"a dict of {', '.join(map(str, value)) or 'nothing'}"
                raise InputError(
                    f"{self._where}: the observation is {has}; expected one that has"
                    f" '{part.key}', as the observation space says."
                ) from None
        shape = value.shape if type(value) is np.ndarray else np.shape(value)
        if shape != part.space.shape and isinstance(part.space, spaces.Box):
            raise InputError(
                f"{self._where}: observation '{part.key or STATE}' is {kind_of(value)};"
                f" expected an array of shape {part.space.shape}, as the observation space"
                " says."
            )
        return value

    def _succeeded(self, outcome: Outcome) -> bool:
        if callable(self._success):
            try:
                reached = self._success(outcome)
            except FloatingPointError as error:
                raise SimulationError(
                    self.task, self.variation, outcome.step, str(error)
                ) from error
            return truth(reached, "success", self._where)
        return succeeded(outcome.info, self._success, self._where)


def _has_number(space: spaces.Space[Any], value: Any) -> bool:
    """Whether a value has numbers, and choices that Gymnasium's one-hot code contains.

    ``spaces.flatten`` encodes some choices beyond their range as other ones.
    """
    if isinstance(space, spaces.Discrete):
        return bool(0 <= value - space.start < space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return space.contains(np.asarray(value))
    return not isinstance(value, np.ndarray) or value.dtype.kind in "biuf"


def _last(observation: Any, info: Any) -> tuple[Any, Any]:
    """The last observation and info of an episode, even if a wrapper reset the env."""
    if not isinstance(info, Mapping):
        return observation, info
    for observation_key, info_key in FINAL.items():
        if info.get(observation_key) is not None:
            final = info.get(info_key)
            more = final if isinstance(final, Mapping) else {}
            return info[observation_key], {**info, **more}
    return observation, info
