"""Checks of the spaces of a suite's envs, and of observations within them."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np

from robomtl.checking.beginnings import start
from robomtl.checking.watching import make_room, shared, watched
from robomtl.env_contract import frames_per_second, unpacked_reset, unpacked_step
from robomtl.errors import InputError
from robomtl.features import STATE, Embodiment, embodiment_of, from_spaces, robot_of
from robomtl.task import Env, Suite, goal_place


def spaces(suite: Suite, task: str) -> Iterator[str]:
    """Checks that observations are a Dict of features and that actions lie in [-1, 1]."""
    with shared(suite, task) as env:
        observation, action = env.observation_space, env.action_space
    if not _is_action(action):
        yield f"The action space is {action}; expected Box(-1, 1, (n,), float32)."
        return
    try:
        found = from_spaces(robot_of(suite, task), observation, action)
    except InputError as error:
        yield str(error)
        return
    for part in (suite.goal, goal_place(suite, task)):
        yield from _goal(part, found)


def embodiment(suite: Suite, task: str) -> Iterator[str]:
    """Checks that the env has the features and actions of the task's embodiment."""
    with shared(suite, task) as env:
        found = from_spaces(
            robot_of(suite, task), env.observation_space, env.action_space
        )
        rate = frames_per_second(env)
    make_room(suite)  # Without a named embodiment, an env is made to inspect it.
    named = embodiment_of(suite, task)
    for lacking, who in (
        (found.lacks(named), "env"),
        (named.lacks(found), "embodiment"),
    ):
        if lacking:
            yield (
                f"The {who} {lacking}; envs have the features of the task's embodiment,"
                f" here '{named.name}'. Tasks that differ need different embodiments,"
                " named by the suite's method embodiment(task)."
            )
            return
    tasks = (*suite.train_tasks, *suite.held_out_tasks)
    same = (t.name for t in tasks if robot_of(suite, t.name) == named.name)
    first = next(same, task)
    if first == task:
        return
    with watched(suite, first) as env:
        expected = frames_per_second(env)
    if rate != expected:
        yield (
            f"metadata['render_fps'] is {rate}, but {expected} in '{first}'; a data set of"
            " several tasks has one rate."
        )


def first_observation(suite: Suite, task: str) -> Iterator[str]:
    """Checks that a reset returns an observation within the space and reports success."""
    with shared(suite, task) as env:
        result = start(env, suite.variations(task, "fresh")[0])
        observation, info = unpacked_reset(result, f"'{task}', reset")
        for fault in (*_observation_faults(env, observation), *_info_faults(info)):
            yield f"At reset, {fault}"


def step_faults(env: Env, result: Any) -> Iterator[str]:
    """Yields the faults of a step's result."""
    observation, reward, terminated, truncated, info = unpacked_step(result, "a step")
    yield from _observation_faults(env, observation)
    yield from _info_faults(info)
    if not isinstance(reward, int | float) or not np.isfinite(reward):
        yield f"the reward is {reward}; expected a finite number."
    for name, value in {"terminated": terminated, "truncated": truncated}.items():
        if not isinstance(value, bool):
            yield f"{name} is {value!r}; expected a bool."
    if terminated:
        yield "the env terminated; an episode ends by truncation at the horizon alone."


def _is_action(space: gymnasium.Space[Any]) -> bool:
    return (
        isinstance(space, gymnasium.spaces.Box)
        and space.dtype == np.float32
        and len(space.shape) == 1
        and bool((space.low == -1).all() and (space.high == 1).all())
    )


def _goal(goal: slice | None, found: Embodiment) -> Iterator[str]:
    if goal is None:
        return
    size = found.states.get(STATE, 0)
    start, stop = goal.start or 0, size if goal.stop is None else goal.stop
    if not 0 <= start < stop <= size or goal.step not in (None, 1):
        yield f"The goal lies at {goal}, but 'state' has {size} numbers, from 0 on."


def _parts(env: Env) -> dict[str, gymnasium.Space[Any]]:
    assert isinstance(env.observation_space, gymnasium.spaces.Dict)
    return dict(env.observation_space.spaces)


def _observation_faults(env: Env, observation: Any) -> Iterator[str]:
    spaces = _parts(env)
    if not isinstance(observation, dict) or observation.keys() != spaces.keys():
        yield f"the observation is {observation}; expected a dict of {list(spaces)}."
        return
    for key, space in spaces.items():
        value = observation[key]
        if not isinstance(value, np.ndarray):
            yield f"'{key}' is a {type(value).__name__}; expected a numpy array."
        elif value.dtype != space.dtype or value.shape != space.shape:
            yield (
                f"'{key}' is {value.dtype} of shape {value.shape}; expected "
                f"{space.dtype} of shape {space.shape}."
            )
        elif not np.isfinite(value).all():
            yield f"'{key}' contains a number that is not finite: {value}."
        elif not space.contains(value):
            yield f"'{key}' lies outside its space{_beyond(space, value)}."


def _beyond(space: gymnasium.Space[Any], value: Any) -> str:
    """End of a message that shows where a value lies outside a Box."""
    if not isinstance(space, gymnasium.spaces.Box):
        return f" {space}: {value}"
    beyond = np.argwhere((value < space.low) | (value > space.high))
    index = tuple(beyond[0].tolist())
    low, high = space.low[index], space.high[index]
    return (
        f" in {len(beyond)} of {value.size} components: {value[index]:.4g} at"
        f" {list(index)}, where {low:.4g} to {high:.4g} is declared; declare wider bounds,"
        " such as -inf to inf"
    )


def _info_faults(info: Any) -> Iterator[str]:
    if "success" not in info:
        yield "info has no 'success'; report it at reset and at each step."
    elif not isinstance(info["success"], bool):
        kind = type(info["success"]).__name__
        yield f"info['success'] is a {kind}; expected a bool."
