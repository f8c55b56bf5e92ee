"""Checks of a task's episodes, its expert and its images, and the order of all checks."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from robomtl.camera import Camera, take_picture, with_camera
from robomtl.checking.beginnings import (
    Act,
    beginning,
    copied,
    counted_resets,
    difference,
    equal,
    random_actions,
    start,
)
from robomtl.checking.spaces import embodiment, first_observation, spaces, step_faults
from robomtl.checking.variations import (
    company,
    goals,
    listed,
    refused_variation,
    repeats,
    splits,
    two_variations,
    variety,
)
from robomtl.checking.watching import shared, watched
from robomtl.errors import PlugInError
from robomtl.gymnasium_env import FINAL
from robomtl.plug_in import calling
from robomtl.returned_values import action_array
from robomtl.task import Action, Env, Expert, Observation, Suite

LONGEST = 10_000  # Steps after which an episode without truncation counts as endless.


class _Run(NamedTuple):
    """Outcome of an episode up to its truncation or its first fault."""

    success: bool
    faults: list[str]
    length: int = 0
    """Number of steps up to the truncation; 0 after a fault."""


def _run(env: Env, variation: int, act: Act) -> _Run:
    """Plays an episode until it is truncated or shows a fault."""
    observation, info = start(env, variation)
    success = info["success"]
    for step in range(1, LONGEST + 1):
        before, action = copied(observation), act(observation)
        if not env.action_space.contains(action):
            outside = f"the action {action} lies outside {env.action_space}."
            return _Run(success, [f"At step {step}, {outside}"])
        given = action.copy()
        result = env.step(action)
        faults = list(step_faults(env, result))
        if not np.array_equal(action, given):
            faults.append("the env changed the caller's action array; copy it first.")
        if not equal(observation, before):
            faults.append("the env changed an earlier observation; return new arrays.")
        if faults:
            return _Run(success, [f"At step {step}, {f}" for f in faults])
        observation, success = result[0], success or result[4]["success"]
        if result[3]:
            return _Run(success, [], step)
    endless = f"No episode end within {LONGEST} steps; truncate at a horizon."
    return _Run(success, [endless])


def _episode(suite: Suite, task: str) -> Iterator[str]:
    """Checks that episodes end by truncation, and that another one can follow."""
    cuts = []
    with shared(suite, task) as env:
        for variation in two_variations(suite, task):
            run = _run(env, variation, random_actions(env))
            yield from run.faults
            if run.faults:
                return
            yield from _beyond_the_horizon(suite, run.length)
            yield from _beyond_the_end(env)
            cuts.append(getattr(env, "cut_at", None))
    if cuts[0] is not None and cuts[0] == cuts[-1]:
        yield (
            f"The env itself ends its episodes after {cuts[0]} steps, before the horizon;"
            f" give horizon={cuts[0]}, or make it run on."
        )


def _beyond_the_horizon(suite: Suite, length: int) -> Iterator[str]:
    horizon = suite.options.get("horizon", length)
    if length > horizon:
        yield (
            f"The episode lasted {length} steps, but the suite's horizon is {horizon};"
            " truncate there."
        )


def _beyond_the_bounds(suite: Suite, task: str) -> Iterator[str]:
    """Checks that actions beyond the bounds are clipped or refused."""
    variation, seen = suite.variations(task, "fresh")[0], list[Observation]()
    with shared(suite, task) as env:
        shape = env.action_space.shape or ()
        for size in (1.0, 1.0, 3.0):
            start(env, variation)
            action = np.full(shape, size, np.float32)
            try:
                seen.append(copied(env.step(action)[0]))
            except ValueError:
                return  # It refuses such actions.
    first, again, beyond = seen
    # Another check describes an episode that the variation does not determine.
    if equal(first, again) and not equal(again, beyond):
        yield (
            "An action of 3 in each component has another effect than one of 1; clip"
            " actions to their bounds, or refuse others with a ValueError."
        )


def _solved_at_once(suite: Suite, task: str) -> Iterator[str]:
    """Checks that episodes do not begin solved, which would make any actor succeed."""
    variations = suite.variations(task, "fresh")[:5]
    with shared(suite, task) as env:
        solved = [v for v in variations if start(env, v)[1]["success"]]
    if solved:
        yield (
            f"At reset, the variations {listed(solved)} are solved already; any agent"
            " would count as successful."
        )


def _resets_itself(suite: Suite, task: str) -> Iterator[str]:
    """Checks that no step resets the env or one that it wraps."""
    variation = suite.variations(task, "fresh")[0]
    with shared(suite, task) as env:
        for act in _acting(suite, task, env):
            observation, truncated = start(env, variation)[0], False
            with counted_resets(env) as resets:
                while not truncated:
                    observation, *_, truncated, info = env.step(act(observation))
                    if truncated and FINAL.keys() & info:
                        break  # The result is that of the old episode's last step.
                    if resets:
                        yield (
                            "The env reset itself within a step; an env must never reset"
                            " itself: end the episode, and leave it to the caller to"
                            " begin the next."
                        )
                        return


def _acting(suite: Suite, task: str, env: Env) -> Iterator[Act]:
    """Yields random actions, and the expert if there is one."""
    yield random_actions(env)
    try:
        yield _vector(suite.make_expert(task), env)
    except ValueError:
        return


def _vector(expert: Expert, env: Env) -> Act:
    """Expert whose actions are checked to have the shape of the env's actions."""
    shape = env.action_space.shape or ()

    def act(observation: Observation) -> Action:
        with calling("The expert raised an exception"):
            action = expert(observation)
        return action_array(action, shape, "The expert")

    return act


def _beyond_the_end(env: Env) -> Iterator[str]:
    action = np.zeros(env.action_space.shape or (), np.float32)
    try:
        truncated = env.step(action)[3]
    except (
        Exception
    ):  # Any exception is accepted, as callers do not step after the end.
        return
    if not truncated:
        yield (
            "A step after the truncation began another episode; an env must never reset"
            " itself: raise an error instead."
        )


def _expert(suite: Suite, task: str) -> Iterator[str]:
    """Checks that the expert, if any, acts within bounds and succeeds at least once."""
    try:
        expert = suite.make_expert(task)
    except ValueError:
        return
    variations = suite.variations(task, "train")[:3]
    with shared(suite, task) as env:
        for variation in variations:
            run = _run(env, variation, _vector(expert, env))
            if run.faults or run.success:
                yield from (f"With the expert: {fault}" for fault in run.faults)
                return
    yield (
        f"The expert succeeded in none of the variations {listed(variations)}; "
        f"expected at least one success."
    )


def _pictures(suite: Suite, task: str) -> Iterator[str]:
    """Checks that rendering, if the suite supports it, works and changes no episode."""
    if task != suite.train_tasks[0].name:
        return  # All tasks are rendered the same way, and rendering is slow.
    variation = suite.variations(task, "fresh")[0]
    try:
        with watched(with_camera(suite, Camera()), task) as env:
            if env.render_mode is None:
                return
            shown = beginning(env, variation, seed=0, look=take_picture)
    except ImportError:
        return  # This machine lacks a library for rendering.
    except PlugInError as error:
        if not isinstance(error.__cause__, ImportError):
            raise
        return  # The env needs the library as soon as it is made.
    except ValueError as error:
        yield f"No picture could be taken: {error}"
        return
    with shared(suite, task) as env:
        how = difference(beginning(env, variation, seed=0), shown)
    if how:
        yield f"An episode {how} while pictures are taken; render() must not change it."


STAGES = (
    (splits, spaces),
    (embodiment, first_observation),
    (_episode, _solved_at_once, _beyond_the_bounds),
    (
        _resets_itself,
        repeats,
        variety,
        goals,
        _expert,
    ),
    (company, _pictures),
    (refused_variation,),
)
"""Stages of the checks of one task; each stage relies on the checks before it.

The check that provokes an error comes last, as the shared env may be broken afterwards.
"""
