"""A Gymnasium env that knows when it has succeeded, as robomtl takes it.

What a robomtl env promises and a Gymnasium env need not, is made up for as follows.

1. The variation is the seed of the reset.
2. Observations are flattened into ``state``. Of a Dict, ``achieved_goal`` is left out, as
   the observation holds it, and ``desired_goal`` comes last, where ``Suite.goal`` is.
3. Actions are scaled from [-1, 1] to the bounds of the env, and rounded where it takes
   integers.
4. An episode that the env terminates, for good or ill, is truncated there; a time limit
   that is shorter than the horizon is not.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator
from gymnasium.error import ResetNeeded
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from robomtl.border import (
    kind_of,
    number,
    succeeded,
    truth,
    unpacked_reset,
    unpacked_step,
)
from robomtl.errors import InputError, MissingExtraError, SimulationError
from robomtl.splits import asked_variation
from robomtl.task import Action, Observation

SPLITS: Mapping[str, range] = MappingProxyType(
    {"train": range(0, 1_000_000), "fresh": range(1_000_000, 2_000_000)}
)
GOAL = "desired_goal"
REPEATED = "achieved_goal"
_LARGEST = 1e30  # Of a bound: the largest float32, say, stands for no bound.


class Outcome(NamedTuple):
    """What a Gymnasium env returned, for a function that tells success by it."""

    observation: Any
    """As the env returned it."""
    reward: float
    """0 at reset."""
    terminated: bool
    """False at reset."""
    info: Mapping[str, Any]
    """As the env returned it."""


MakeEnv = str | Callable[[], gymnasium.Env[Any, Any]]
Success = str | Callable[[Outcome], bool]


def _parts(space: spaces.Space[Any]) -> dict[str, spaces.Space[Any]]:
    """The parts of an observation that make up the state, in order."""
    if not isinstance(space, spaces.Dict):
        return {"": space}
    keys = [key for key in space if key not in (GOAL, REPEATED)]
    return {key: space[key] for key in (*keys, GOAL) if key in space.spaces}


def _state_space(task: str, space: spaces.Space[Any]) -> spaces.Box:
    flat = [spaces.flatten_space(part) for part in _parts(space).values()]
    boxes = [part for part in flat if isinstance(part, spaces.Box)]
    if not boxes or len(boxes) < len(flat):
        raise InputError(
            f"'{task}' observes {space}, which cannot be flattened into a vector."
        )
    with np.errstate(over="ignore"):  # The largest float64 stands for no bound.
        low, high = (
            np.concatenate([getattr(box, bound) for box in boxes]).astype(np.float32)
            for bound in ("low", "high")
        )
    return spaces.Box(low, high, dtype=np.float32)


def _bounded(task: str, space: spaces.Space[Any]) -> spaces.Box:
    if (
        not isinstance(space, spaces.Box)
        or not ((np.abs(space.low) < _LARGEST) & (np.abs(space.high) < _LARGEST)).all()
    ):
        raise InputError(
            f"The action space of '{task}' is {space}; expected a Box with bounds."
        )
    return space


def made(
    make: MakeEnv, horizon: int, render_mode: str | None = None
) -> gymnasium.Env[Any, Any]:
    """The env that an id names or a function makes.

    Raises:
        InputError: If the id is not registered in this process.
        MissingExtraError: If a package that the env needs is not installed.
    """
    if callable(make):
        return make()
    build = partial(
        gymnasium.make, make, max_episode_steps=horizon, disable_env_checker=True
    )
    try:
        env = build()
        if render_mode is None or not _takes_render_mode(env):
            return env
        env.close()
        return build(render_mode=render_mode)
    except gymnasium.error.UnregisteredEnv as error:
        raise InputError(
            f"No Gymnasium env '{make}' is registered in this process: {error} Workers"
            " know ids that are registered when their module is imported, outside the"
            " guard if __name__ == '__main__'; name the module in the id, as in"
            " 'my_module:MyEnv-v0'."
        ) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingExtraError(f"The env '{make}' cannot be made: {error}") from error


def _takes_render_mode(env: gymnasium.Env[Any, Any]) -> bool:
    """Whether what makes an env by its id takes a render_mode, which not all do."""
    entry: Any = env.spec.entry_point if env.spec else None
    make = load_env_creator(entry) if isinstance(entry, str) else entry
    if not callable(make):
        return False
    taken = inspect.signature(make).parameters
    return "render_mode" in taken or any(
        each.kind is each.VAR_KEYWORD for each in taken.values()
    )


def layout(task: str, env: gymnasium.Env[Any, Any]) -> dict[str, int]:
    """Lengths of the parts of an env's state, in order; one of no name for a vector.

    Raises:
        ValueError: If observations cannot be flattened.
    """
    _state_space(task, env.observation_space)
    parts = _parts(env.observation_space)
    return {key: spaces.flatdim(part) for key, part in parts.items()}


def goal_in(parts: Mapping[str, int]) -> slice | None:
    """Where ``desired_goal`` lies in a state of this layout; None if it has none."""
    end = sum(parts.values())
    return slice(end - parts[GOAL], end) if GOAL in parts else None


def _check_reset(task: str, env: gymnasium.Env[Any, Any]) -> None:
    """Refuses an env with the API of Gym before 0.26, whose resets take no seed."""
    taken = inspect.signature(env.unwrapped.reset).parameters
    # Wrappers pass on both, and without any only the seed is given.
    needed = ("seed",) if env is env.unwrapped else ("seed", "options")
    lacking = [name for name in needed if name not in taken]
    if lacking and all(each.kind != each.VAR_KEYWORD for each in taken.values()):
        raise InputError(
            f"'{task}': reset() of {type(env.unwrapped).__name__} takes no"
            f" {' and no '.join(lacking)}, as in Gym before 0.26; write it as"
            " reset(self, *, seed=None, options=None), and begin with"
            " super().reset(seed=seed)."
        )


def _give_time(env: gymnasium.Env[Any, Any], horizon: int) -> None:
    """Extends a TimeLimit that is shorter than the horizon, as ``made`` does for ids."""
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, TimeLimit):
            layer._max_episode_steps = max(layer._max_episode_steps, horizon)
        layer = layer.env


class _Where:
    """The task, variation and step of an env, formatted only when a message needs them."""

    def __init__(self, env: "GymnasiumEnv") -> None:
        self._env = env

    def __str__(self) -> str:
        env = self._env
        return f"{env.task}, variation {env.variation}, step {env.steps or 0}"


class GymnasiumEnv(gymnasium.Env[Observation, Action]):
    """A Gymnasium env that keeps the contract of robomtl; see the module.

    Without ``options`` a variation of the split ``train`` is drawn from the seed.

    Args:
        env: The env.
        task: Name of the task, for messages.
        success: Key of info, or function of an ``Outcome``.
        horizon: Number of steps after which an episode is truncated.

    Raises:
        ValueError: If observations cannot be flattened, actions have no bounds, or resets
            take no seed.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], task: str, success: Success, horizon: int
    ) -> None:
        self.env = env
        self.task = task
        self.horizon = horizon
        self._success = success
        _check_reset(task, env)
        _give_time(env, horizon)
        self._bounds = _bounded(task, env.action_space)
        state = _state_space(task, env.observation_space)
        self._parts, self._size = _parts(env.observation_space), state.shape[0]
        self.observation_space: spaces.Space[Any] = spaces.Dict({"state": state})
        size = int(np.prod(self._bounds.shape))
        self.action_space = spaces.Box(-1, 1, (size,), np.float32)
        self.metadata = env.metadata
        self.render_mode = env.render_mode
        self.cut_at: int | None = None
        """Step at which the env itself truncated the last episode before the horizon."""
        self._where = _Where(self)
        self.variation = 0
        self.steps: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            ValueError: If no split holds the variation.
        """
        super().reset(seed=seed)
        self.variation = asked_variation(SPLITS, self.task, options, self.np_random)
        self.steps = 0
        result = self.env.reset(seed=self.variation)
        observation, info = unpacked_reset(result, self._where)
        outcome = Outcome(observation, 0.0, False, info)
        # Most envs report success from the first step on only.
        reported = callable(self._success) or self._success in info
        return self._state(observation), {
            **info,
            "success": reported and self._succeeded(outcome),
        }

    def step(
        self, action: Action
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Acts; actions beyond [-1, 1] are clipped.

        Raises:
            InputError: If the action is not finite, or the env reports no success.
            ResetNeeded: If no episode is running.
            SimulationError: If the env returns numbers that are not finite.
        """
        if self.steps is None:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not np.isfinite(action).all():
            raise InputError(
                f"{self.task}, step {self.steps}: the action {action} is not finite."
            )
        result = self.env.step(self._scaled(action))
        self.steps += 1
        where = self._where
        observation, reward, terminated, truncated, info = unpacked_step(result, where)
        outcome = Outcome(
            observation,
            number(reward, "reward", where),
            truth(terminated, "terminated", where),
            info,
        )
        state, success = self._state(observation), self._succeeded(outcome)
        cut = truth(truncated, "truncated", where)
        self.cut_at = self.steps if cut and self.steps < self.horizon else None
        ended = outcome.terminated or cut or self.steps == self.horizon
        self.steps = None if ended else self.steps
        return state, outcome.reward, False, ended, {**info, "success": success}

    def render(self) -> Any:
        """What the env shows."""
        return self.env.render()

    def close(self) -> None:
        """Closes the env."""
        self.env.close()

    def _scaled(self, action: Action) -> Any:
        share = (np.clip(np.asarray(action, np.float64), -1, 1) + 1) / 2
        low, high = self._bounds.low.ravel(), self._bounds.high.ravel()
        scaled = low + share * (high - low)
        if self._bounds.dtype.kind in "iu":
            scaled = np.rint(scaled)
        return scaled.astype(self._bounds.dtype).reshape(self._bounds.shape)

    def _state(self, observation: Any) -> Observation:
        flat: list[NDArray[Any]] = []
        for key, space in self._parts.items():
            part = self._part(observation, key)
            shape = part.shape if type(part) is np.ndarray else np.shape(part)
            if shape != space.shape and isinstance(space, spaces.Box):
                raise InputError(
                    f"{self._where}: observation '{key or 'state'}' is {kind_of(part)};"
                    f" expected an array of shape {space.shape}, as the observation space"
                    " says."
                )
            flat.append(np.asarray(spaces.flatten(space, part)))
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
        return {"state": state}

    def _part(self, observation: Any, key: str) -> Any:
        if not key:
            return observation
        if not isinstance(observation, Mapping) or key not in observation:
            has = kind_of(observation)
            if isinstance(observation, Mapping):
                has = f"a dict of {', '.join(map(str, observation)) or 'nothing'}"
            raise InputError(
                f"{self._where}: the observation is {has}; expected one that has '{key}',"
                " as the observation space says."
            )
        return observation[key]

    def _succeeded(self, outcome: Outcome) -> bool:
        if callable(self._success):
            return truth(self._success(outcome), "success", self._where)
        return succeeded(outcome.info, self._success, self._where)
