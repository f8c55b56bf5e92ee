"""A Gymnasium env that knows when it has succeeded, as robomtl takes it.

What a robomtl env promises and a Gymnasium env need not, is made up for as follows.

1. The variation is the seed of the reset.
2. Observations are flattened into ``state``. Of a Dict, ``achieved_goal`` is left out, as
   the observation holds it, and ``desired_goal`` comes last, where ``Suite.goal`` is.
3. Actions are scaled from [-1, 1] to the bounds of the env.
4. An episode that the env terminates, for good or ill, is truncated there.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from robomtl.errors import InputError, SimulationError
from robomtl.nearest import unknown
from robomtl.splits import asked_variation
from robomtl.task import Action, Observation

SPLITS: Mapping[str, range] = MappingProxyType(
    {"train": range(0, 1_000_000), "fresh": range(1_000_000, 2_000_000)}
)
GOAL = "desired_goal"
REPEATED = "achieved_goal"


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
    if not isinstance(space, spaces.Box) or not space.is_bounded():
        raise InputError(
            f"The action space of '{task}' is {space}; expected a Box with bounds."
        )
    return space


def made(
    make: MakeEnv, horizon: int, render_mode: str | None = None
) -> gymnasium.Env[Any, Any]:
    """The env that an id names or a function makes."""
    if callable(make):
        return make()
    return gymnasium.make(
        make,
        max_episode_steps=horizon,
        disable_env_checker=True,
        render_mode=render_mode,
    )


class GymnasiumEnv(gymnasium.Env[Observation, Action]):
    """A Gymnasium env that keeps the contract of robomtl; see the module.

    Without ``options`` a variation of the split ``train`` is drawn from the seed.

    Args:
        env: The env.
        task: Name of the task, for messages.
        success: Key of info, or function of an ``Outcome``.
        horizon: Number of steps after which an episode is truncated.

    Raises:
        ValueError: If observations cannot be flattened or actions have no bounds.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], task: str, success: Success, horizon: int
    ) -> None:
        self.env = env
        self.task = task
        self.horizon = horizon
        self._success = success
        self._bounds = _bounded(task, env.action_space)
        state = _state_space(task, env.observation_space)
        self.observation_space: spaces.Space[Any] = spaces.Dict({"state": state})
        size = int(np.prod(self._bounds.shape))
        self.action_space = spaces.Box(-1, 1, (size,), np.float32)
        self.metadata = env.metadata
        self.render_mode = env.render_mode
        self._variation = 0
        self._step: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts the episode of ``options["variation"]``.

        Raises:
            ValueError: If no split holds the variation.
        """
        super().reset(seed=seed)
        self._variation = asked_variation(SPLITS, self.task, options, self.np_random)
        observation, info = self.env.reset(seed=self._variation)
        self._step = 0
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
            ValueError: If the action is not finite, or the env reports no success.
            ResetNeeded: If no episode is running.
            SimulationError: If the env returns numbers that are not finite.
        """
        if self._step is None:
            raise ResetNeeded(f"{self.task}: no episode is running; call reset first.")
        if not np.isfinite(action).all():
            raise InputError(
                f"{self.task}, step {self._step}: the action {action} is not finite."
            )
        observation, reward, terminated, truncated, info = self.env.step(
            self._scaled(action)
        )
        outcome = Outcome(observation, float(reward), bool(terminated), info)
        self._step += 1
        state, success = self._state(observation), self._succeeded(outcome)
        ended = terminated or truncated or self._step == self.horizon
        self._step = None if ended else self._step
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
        scaled = (low + share * (high - low)).astype(self._bounds.dtype)
        return scaled.reshape(self._bounds.shape)

    def _state(self, observation: Any) -> Observation:
        flat: list[NDArray[Any]] = []
        for key, space in _parts(self.env.observation_space).items():
            part = observation[key] if key else observation
            flat.append(np.asarray(spaces.flatten(space, part)))
        state = np.concatenate(flat).astype(np.float32)
        if not np.isfinite(state).all():
            raise SimulationError(
                self.task, self._variation, self._step or 0, "its state is not finite"
            )
        return {"state": state}

    def _succeeded(self, outcome: Outcome) -> bool:
        if callable(self._success):
            return bool(self._success(outcome))
        if self._success not in outcome.info:
            raise InputError(unknown("key of info", self._success, outcome.info))
        return bool(outcome.info[self._success])


@cache
def goal_of(make: MakeEnv, horizon: int) -> slice | None:
    """Where ``desired_goal`` lies in the state of an env; None if it has none."""
    with closing(made(make, horizon)) as env:
        parts = _parts(env.observation_space)
    sizes = {key: spaces.flatdim(part) for key, part in parts.items()}
    end = sum(sizes.values())
    return slice(end - sizes[GOAL], end) if GOAL in sizes else None
