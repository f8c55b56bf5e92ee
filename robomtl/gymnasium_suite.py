"""A suite of Gymnasium envs that know when they have succeeded.

What a robomtl env promises and a Gymnasium env need not, is made up for as follows.

1. The variation is the seed of the reset.
2. Observations are flattened into ``state``. Of a Dict, ``achieved_goal`` is left out, as
   the observation holds it, and ``desired_goal`` comes last, where ``Suite.goal`` is.
3. Actions are scaled from [-1, 1] to the bounds of the env.
4. An episode that the env terminates, for good or ill, is truncated there.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from robomtl.camera import Camera, refuse_settings
from robomtl.errors import SimulationError
from robomtl.nearest import unknown
from robomtl.splits import find_split, find_variation
from robomtl.task import Action, Env, Expert, Observation, Task, find_task

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
        raise ValueError(
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
        raise ValueError(
            f"The action space of '{task}' is {space}; expected a Box with bounds."
        )
    return space


def _made(
    make: MakeEnv, horizon: int, render_mode: str | None = None
) -> gymnasium.Env[Any, Any]:
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
        drawn = self.np_random.choice(len(SPLITS["train"]))
        variation = (options or {}).get("variation", drawn)
        self._variation = find_variation(SPLITS, self.task, variation)
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
            raise ValueError(
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
            raise ValueError(unknown("key of info", self._success, outcome.info))
        return bool(outcome.info[self._success])


@cache
def _goal(make: MakeEnv, horizon: int) -> slice | None:
    with closing(_made(make, horizon)) as env:
        parts = _parts(env.observation_space)
    sizes = {key: spaces.flatdim(part) for key, part in parts.items()}
    end = sum(sizes.values())
    return slice(end - sizes[GOAL], end) if GOAL in sizes else None


@dataclass(frozen=True, kw_only=True)
class GymnasiumSuite:
    """Tasks that are Gymnasium envs; built by ``from_gymnasium``."""

    name: str
    """Full name, under which it is registered, if it is."""
    train_tasks: tuple[Task, ...]
    """Tasks to train on."""
    held_out_tasks: tuple[Task, ...]
    """Tasks kept for adaptation."""
    envs: Mapping[str, MakeEnv]
    """Gymnasium id or maker of each task."""
    success: Success
    """Key of info, or function of an ``Outcome``."""
    horizon: int
    """Number of steps of an episode."""
    experts: Mapping[str, Expert]
    """Demonstrators of tasks that have one."""
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tasks that share a scene, by the name of their family."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the registered factory, other than its defaults."""
    render_mode: str | None = None
    """That of envs named by an id; a function that makes an env decides on its own."""

    @property
    def goal(self) -> slice | None:
        """Where ``desired_goal`` lies in the state, if the env has it."""
        return _goal(self.envs[self.train_tasks[0].name], self.horizon)

    def variations(self, task: str, split: str) -> range:
        """The variations of a task in ``train`` or ``fresh``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(SPLITS, split)

    def make_env(self, task: str) -> Env:
        """An env of the task.

        Raises:
            ValueError: If the task is unknown.
        """
        name = find_task(self, task).name
        env = _made(self.envs[name], self.horizon, self.render_mode)
        return GymnasiumEnv(env, name, self.success, self.horizon)

    def with_camera(self, camera: Camera) -> "GymnasiumSuite":
        """This suite with envs that show pictures, in their own way and size.

        Raises:
            ValueError: If anything else is asked of the pictures.
        """
        refuse_settings(self.name, camera)
        return replace(self, render_mode="rgb_array")

    def make_expert(self, task: str) -> Expert:
        """The expert that was given for the task.

        Raises:
            ValueError: If the task is unknown or was given no expert.
        """
        name = find_task(self, task).name
        if name not in self.experts:
            raise ValueError(unknown(f"{self.name} expert", name, self.experts))
        return self.experts[name]


def from_gymnasium(
    name: str,
    envs: Mapping[str, MakeEnv],
    instructions: Mapping[str, Sequence[str]],
    *,
    horizon: int,
    success: Success = "success",
    held_out: Sequence[str] = (),
    experts: Mapping[str, Expert] = MappingProxyType({}),
    families: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> GymnasiumSuite:
    """A suite of Gymnasium envs, ready for ``robomtl.registry.SUITES.register``.

    Registered under its name, it is found by ``robomtl.suite`` and so by training.

    Functions are to be defined in a module, not inline, so that workers can import them;
    ids likewise, such as ``"my_module:MyEnv-v0"``.

    Args:
        name: Name of the suite.
        envs: Gymnasium id, or function that makes an env, of each task.
        instructions: Wordings of each task.
        horizon: Number of steps after which an episode is truncated.
        success: Key of info, or function of an ``Outcome``.
        held_out: Names of the tasks kept for adaptation.
        experts: Demonstrators of tasks; they see and act as policies do.
        families: Names of tasks that share a scene, by the name of their family; see
            ``robomtl.probe``.

    Raises:
        ValueError: If a task lacks an env or instructions, or none is left to train on.
    """
    for kind, named in {"env": envs, "expert": experts}.items():
        for task in named.keys() - instructions.keys():
            raise ValueError(unknown(f"task of an {kind}", task, instructions))
    for task in instructions.keys() - envs.keys():
        raise ValueError(f"The task '{task}' has instructions but no env.")
    for task in set(held_out) - instructions.keys():
        raise ValueError(unknown("held-out task", task, instructions))
    for task in {name for names in families.values() for name in names}:
        if task not in instructions:
            raise ValueError(unknown("task of a family", task, instructions))
    if horizon < 1:
        raise ValueError(f"horizon is {horizon}; give at least 1.")
    tasks = [Task(name=n, instructions=tuple(w)) for n, w in instructions.items()]
    if len(held_out) == len(tasks):
        raise ValueError(f"{name} has no task to train on; hold out fewer.")
    return GymnasiumSuite(
        name=name,
        train_tasks=tuple(task for task in tasks if task.name not in held_out),
        held_out_tasks=tuple(task for task in tasks if task.name in held_out),
        envs=dict(envs),
        success=success,
        horizon=horizon,
        experts=dict(experts),
        families={family: tuple(names) for family, names in families.items()},
    )
