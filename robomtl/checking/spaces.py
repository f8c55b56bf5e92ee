"""What a suite must keep: the spaces of its envs, and observations within them."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, TypeGuard

import gymnasium
import numpy as np

from robomtl.border import frames_per_second, unpacked_reset, unpacked_step
from robomtl.checking.beginnings import start
from robomtl.task import Env, Suite, goal_place


def spaces(suite: Suite, task: str) -> Iterator[str]:
    """Observations are a Dict with a float32 vector; actions lie in [-1, 1]."""
    with closing(suite.make_env(task)) as env:
        observation, action = env.observation_space, env.action_space
    if not isinstance(observation, gymnasium.spaces.Dict):
        yield f"The observation space is {observation}; expected a Dict with 'state'."
    elif "state" not in observation.spaces:
        yield f"The observation space has {list(observation)} but no 'state'."
    else:
        state = observation["state"]
        if not _is_float_vector(state):
            yield f"The space of 'state' is {state}; expected a float32 Box (n,)."
        else:
            for place in (suite.goal, goal_place(suite, task)):
                yield from _goal(place, state.shape[0])
    if not _is_float_vector(action) or not (
        (action.low == -1).all() and (action.high == 1).all()
    ):
        yield f"The action space is {action}; expected Box(-1, 1, (n,), float32)."


def sizes(suite: Suite, task: str) -> Iterator[str]:
    """One policy serves all tasks, so their spaces have one size."""
    first = suite.train_tasks[0].name
    with closing(suite.make_env(first)) as env:
        expected = {"action": env.action_space, **_parts(env)}
        rate = frames_per_second(env)
    with closing(suite.make_env(task)) as env:
        found = {"action": env.action_space, **_parts(env)}
        other = frames_per_second(env)
    if rate != other:
        yield (
            f"metadata['render_fps'] is {other}, but {rate} in '{first}'; a data set of"
            " several tasks has one rate."
        )
    for part in sorted(expected.keys() | found.keys()):
        shapes = [
            spaces[part].shape if part in spaces else None
            for spaces in (expected, found)
        ]
        if shapes[0] != shapes[1]:
            yield (
                f"The shape of '{part}' is {shapes[1]}, but {shapes[0]} in '{first}'; "
                f"all tasks of a suite share one shape."
            )


def first_observation(suite: Suite, task: str) -> Iterator[str]:
    """A reset returns an observation of the space and reports success."""
    with closing(suite.make_env(task)) as env:
        result = start(env, suite.variations(task, "fresh")[0])
        observation, info = unpacked_reset(result, f"'{task}', reset")
        for fault in (*_observation_faults(env, observation), *_info_faults(info)):
            yield f"At reset, {fault}"


def step_faults(env: Env, result: Any) -> Iterator[str]:
    """What is wrong with the five parts that a step returned."""
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


def _is_float_vector(
    space: gymnasium.Space[Any],
) -> TypeGuard[gymnasium.spaces.Box]:
    return (
        isinstance(space, gymnasium.spaces.Box)
        and space.dtype == np.float32
        and len(space.shape) == 1
    )


def _goal(goal: slice | None, size: int) -> Iterator[str]:
    if goal is None:
        return
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
            yield f"'{key}' holds a number that is not finite: {value}."
        elif not space.contains(value):
            yield f"'{key}' lies outside its space {space}: {value}."


def _info_faults(info: Any) -> Iterator[str]:
    if "success" not in info:
        yield "info has no 'success'; report it at reset and at each step."
    elif not isinstance(info["success"], bool):
        kind = type(info["success"]).__name__
        yield f"info['success'] is a {kind}; expected a bool."
