"""What a task of a suite must keep: its variations, its env, its expert."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TypeGuard

import gymnasium
import numpy as np

from robomtl.camera import Camera, take_picture, with_camera
from robomtl.task import Action, Env, GoalSuite, Observation, Suite

LONGEST = 10_000  # An episode that is not truncated by then is endless.
PREFIX = 25  # Steps over which episodes are compared.

Act = Callable[[Observation], Action]


class Prefix(NamedTuple):
    """The beginning of an episode under fixed actions."""

    observations: list[Observation]
    rewards: list[float]
    successes: list[bool]


class _Run(NamedTuple):
    """An episode up to its truncation or its first fault."""

    success: bool
    faults: list[str]


def difference(first: Prefix, second: Prefix) -> str:
    """How two beginnings differ, as a verb; empty if they do not."""
    if not _same(first.observations[0], second.observations[0]):
        return "starts differently"
    same = len(first.observations) == len(second.observations) and all(
        map(_same, first.observations, second.observations)
    )
    if same and first[1:] == second[1:]:
        return ""
    return "goes differently under the same actions"


def first_episode(suite: Suite, task: str) -> Prefix:
    """The beginning of the episode of the first fresh variation."""
    with closing(suite.make_env(task)) as env:
        return _prefix(env, suite.variations(task, "fresh")[0], seed=0)


def _same(first: Observation, second: Observation) -> bool:
    return first.keys() == second.keys() and all(
        np.array_equal(first[key], second[key]) for key in first
    )


def _copy(observation: Observation) -> Observation:
    return {key: value.copy() for key, value in observation.items()}


def _random_actions(env: Env) -> Act:
    generator = np.random.default_rng(0)
    shape = env.action_space.shape

    def act(observation: Observation) -> Action:
        return generator.uniform(-1, 1, shape).astype(np.float32)

    return act


def _start(env: Env, variation: int, seed: int | None = None) -> tuple[Any, Any]:
    return env.reset(seed=seed, options={"variation": variation})


def _prefix(
    env: Env, variation: int, *, seed: int, look: Callable[[Env], object] = id
) -> Prefix:
    observation, info = _start(env, variation, seed)
    look(env)
    prefix = Prefix([_copy(observation)], [], [info["success"]])
    act = _random_actions(env)
    for _ in range(PREFIX):
        observation, reward, _, truncated, info = env.step(act(observation))
        look(env)
        prefix.observations.append(_copy(observation))
        prefix.rewards.append(float(reward))
        prefix.successes.append(info["success"])
        if truncated:
            break
    return prefix


def _splits(suite: Suite, task: str) -> Iterator[str]:
    """The splits train and fresh have integers, and none in common."""
    train, fresh = (suite.variations(task, split) for split in ("train", "fresh"))
    yield from _variations_faults("train", train)
    yield from _variations_faults("fresh", fresh)
    known = train if isinstance(train, range) else set(train)
    both = [variation for variation in fresh if variation in known]
    if both:
        yield (
            f"The splits 'train' and 'fresh' share {len(both)} variations, such as "
            f"{both[0]}; they must be disjoint."
        )


def _variations_faults(split: str, variations: Sequence[int]) -> Iterator[str]:
    if not variations:
        yield f"The split '{split}' has no variation; give at least 1."
    if isinstance(variations, range):  # It may be long, and cannot be wrong.
        return
    strange = [v for v in variations if not isinstance(v, int)]
    if strange:
        yield f"The split '{split}' holds {strange[0]!r}; expected integers."
    elif len(set(variations)) < len(variations):
        yield f"The split '{split}' names a variation twice; name each once."


def _spaces(suite: Suite, task: str) -> Iterator[str]:
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
            yield from _goal(suite.goal, state.shape[0])
    if not _is_float_vector(action) or not (
        (action.low == -1).all() and (action.high == 1).all()
    ):
        yield f"The action space is {action}; expected Box(-1, 1, (n,), float32)."


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


def _sizes(suite: Suite, task: str) -> Iterator[str]:
    """One policy serves all tasks, so their spaces have one size."""
    first = suite.train_tasks[0].name
    with closing(suite.make_env(first)) as env, closing(suite.make_env(task)) as other:
        expected = {"action": env.action_space, **_parts(env)}
        found = {"action": other.action_space, **_parts(other)}
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


def _parts(env: Env) -> dict[str, gymnasium.Space[Any]]:
    assert isinstance(env.observation_space, gymnasium.spaces.Dict)
    return dict(env.observation_space.spaces)


def _first_observation(suite: Suite, task: str) -> Iterator[str]:
    """A reset returns an observation of the space and reports success."""
    with closing(suite.make_env(task)) as env:
        observation, info = _start(env, suite.variations(task, "fresh")[0])
        for fault in (*_observation_faults(env, observation), *_info_faults(info)):
            yield f"At reset, {fault}"


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


def _step_faults(env: Env, result: Any) -> Iterator[str]:
    observation, reward, terminated, truncated, info = result
    yield from _observation_faults(env, observation)
    yield from _info_faults(info)
    if not np.isfinite(reward):
        yield f"the reward is {reward}; expected a finite number."
    if terminated:
        yield "the env terminated; an episode ends by truncation at the horizon alone."


def _run(env: Env, variation: int, act: Act) -> _Run:
    """Plays an episode until it is truncated or shows a fault."""
    observation, info = _start(env, variation)
    success = info["success"]
    for step in range(1, LONGEST + 1):
        before, action = _copy(observation), act(observation)
        if not env.action_space.contains(action):
            outside = f"the action {action} lies outside {env.action_space}."
            return _Run(success, [f"At step {step}, {outside}"])
        given = action.copy()
        result = env.step(action)
        faults = list(_step_faults(env, result))
        if not np.array_equal(action, given):
            faults.append("the env changed the caller's action array; copy it first.")
        if not _same(observation, before):
            faults.append("the env changed an earlier observation; return new arrays.")
        if faults:
            return _Run(success, [f"At step {step}, {f}" for f in faults])
        observation, success = result[0], success or result[4]["success"]
        if result[3]:
            return _Run(success, [])
    endless = f"No episode end within {LONGEST} steps; truncate at a horizon."
    return _Run(success, [endless])


def _episode(suite: Suite, task: str) -> Iterator[str]:
    """An episode ends by truncation, and a next one can begin."""
    with closing(suite.make_env(task)) as env:
        for variation in _two_variations(suite, task):
            run = _run(env, variation, _random_actions(env))
            yield from run.faults
            if run.faults:
                return
            yield from _beyond_the_end(env)


def _beyond_the_end(env: Env) -> Iterator[str]:
    action = np.zeros(env.action_space.shape or (), np.float32)
    try:
        truncated = env.step(action)[3]
    except Exception:  # Any refusal will do: no caller steps on, so none is told apart.
        return
    if not truncated:
        yield (
            "A step after the truncation began another episode; an env never resets "
            "itself: raise an error instead."
        )


def _repeats(suite: Suite, task: str) -> Iterator[str]:
    """The variation alone determines the episode."""
    variation, other = _two_variations(suite, task)
    with closing(suite.make_env(task)) as env, closing(suite.make_env(task)) as fresh:
        first = _prefix(env, variation, seed=0)
        again = {"when reset again with another seed": _prefix(env, variation, seed=1)}
        _prefix(env, other, seed=0)
        again["after another variation"] = _prefix(env, variation, seed=0)
        again["in a new env"] = _prefix(fresh, variation, seed=0)
    for when, second in again.items():
        how = difference(first, second)
        if how:
            yield (
                f"Variation {variation} {how} {when}; an episode depends on its "
                f"variation alone."
            )


def _variety(suite: Suite, task: str) -> Iterator[str]:
    """Variations are not all alike."""
    variations = suite.variations(task, "fresh")[:5]
    with closing(suite.make_env(task)) as env:
        first, *others = [_prefix(env, variation, seed=0) for variation in variations]
    if others and not any(difference(first, other) for other in others):
        told = _listed(variations)
        yield f"The variations {told} are all alike; each names a start and a goal."


def _goals(suite: Suite, task: str) -> Iterator[str]:
    """Variations are grouped by goal as they say, and those of a goal start apart."""
    if not isinstance(suite, GoalSuite):
        return
    variations = suite.variations(task, "fresh")
    goals = suite.goal_numbers(task, "fresh")
    met = dict.fromkeys(
        suite.goal_number(task, v) for v in variations[: len(goals)][:5]
    )
    if list(met) != list(goals[:5]):
        yield (
            f"The first variations of 'fresh' have the goals {_listed(list(met))}; expected"
            f" {_listed(goals[:5])}, one each, as goal_numbers says."
        )
        return
    group = suite.variations_of_goal(task, goals[0])[:2]
    strange = [v for v in group if suite.goal_number(task, v) != goals[0]]
    if strange or group[0] != goals[0] or any(v not in variations for v in group):
        yield (
            f"The goal {goals[0]} of 'fresh' has the variations {_listed(group)}; expected"
            f" itself first, and only variations of 'fresh' with this goal_number."
        )
    elif len(group) > 1:
        yield from _start_apart(suite, task, group)


def _start_apart(suite: Suite, task: str, group: Sequence[int]) -> Iterator[str]:
    with closing(suite.make_env(task)) as env:
        first, second = (_copy(_start(env, variation)[0]) for variation in group)
    if _same(first, second):
        yield (
            f"The variations {_listed(group)} share a goal and start alike; variations of"
            f" a goal start differently."
        )
    elif suite.goal is not None:
        shown, other = (each["state"][suite.goal] for each in (first, second))
        # Simulators settle what they place, by less than this.
        if not np.allclose(shown, other, rtol=0, atol=1e-4):
            yield (
                f"The variations {_listed(group)} share a goal number but show the goals"
                f" {shown} and {other}."
            )


def _refused_variation(suite: Suite, task: str) -> Iterator[str]:
    with closing(suite.make_env(task)) as env:
        try:
            _start(env, -1)
        except ValueError:
            return
        except Exception as error:  # Anything else is what is looked for here.
            told = f"raised {type(error).__name__}: {error}"
        else:
            told = "was accepted"
    yield f"A reset to variation -1, which no split has, {told}; expected a ValueError."


def _expert(suite: Suite, task: str) -> Iterator[str]:
    """The expert, if there is one, acts within bounds and knows how."""
    try:
        expert = suite.make_expert(task)
    except ValueError:
        return
    variations = suite.variations(task, "train")[:3]
    with closing(suite.make_env(task)) as env:
        for variation in variations:
            run = _run(env, variation, expert)
            if run.faults or run.success:
                yield from (f"With the expert: {fault}" for fault in run.faults)
                return
    yield (
        f"The expert succeeded in none of the variations {_listed(variations)}; "
        f"expected at least one success."
    )


def _pictures(suite: Suite, task: str) -> Iterator[str]:
    """Pictures, of a suite that has them, can be taken and change no episode."""
    if task != suite.train_tasks[0].name:
        return  # All tasks are drawn alike, and drawing takes long.
    variation = suite.variations(task, "fresh")[0]
    try:
        with closing(with_camera(suite, Camera()).make_env(task)) as env:
            if env.render_mode is None:
                return
            shown = _prefix(env, variation, seed=0, look=take_picture)
    except ImportError:
        return  # This machine lacks what draws.
    except ValueError as error:
        yield f"No picture could be taken: {error}"
        return
    with closing(suite.make_env(task)) as env:
        how = difference(_prefix(env, variation, seed=0), shown)
    if how:
        yield f"An episode {how} while pictures are taken; render() only looks."


def _listed(variations: Sequence[int]) -> str:
    return ", ".join(map(str, variations))


def _two_variations(suite: Suite, task: str) -> tuple[int, int]:
    variations = suite.variations(task, "fresh")
    return variations[0], variations[min(1, len(variations) - 1)]


STAGES = (
    (_splits, _spaces),
    (_sizes, _first_observation),
    (_episode, _repeats, _variety, _goals, _refused_variation, _expert),
    (_pictures,),
)
"""Checks of one task; those of a stage rely on what the stages before it prove."""
