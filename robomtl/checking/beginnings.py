"""First steps of episodes under fixed actions, and comparison of two such beginnings."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from robomtl.checking.watching import watched
from robomtl.task import Action, Env, Observation, Suite

LENGTH = 25  # Steps over which episodes are compared.

Act = Callable[[Observation], Action]


class Beginning(NamedTuple):
    """First steps of an episode under fixed actions."""

    observations: list[Observation]
    rewards: list[float]
    successes: list[bool]


def difference(first: Beginning, second: Beginning) -> str:
    """Verb phrase that describes how two beginnings differ; empty if they are equal."""
    if not equal(first.observations[0], second.observations[0]):
        return "starts differently"
    same = len(first.observations) == len(second.observations) and all(
        map(equal, first.observations, second.observations)
    )
    if same and first[1:] == second[1:]:
        return ""
    return "goes differently under the same actions"


def first_episode(suite: Suite, task: str) -> Beginning:
    """Beginning of the episode of the first variation of ``fresh``."""
    with watched(suite, task) as env:
        return beginning(env, suite.variations(task, "fresh")[0], seed=0)


def beginning(
    env: Env, variation: int, *, seed: int, look: Callable[[Env], object] = id
) -> Beginning:
    """First ``LENGTH`` steps of an episode under the same random actions for all.

    Args:
        env: Env to play.
        variation: Variation of the episode.
        seed: Seed of the reset.
        look: Called with the env after the reset and after each step.
    """
    observation, info = start(env, variation, seed)
    look(env)
    begun = Beginning([copied(observation)], [], [info["success"]])
    act = random_actions(env)
    for _ in range(LENGTH):
        observation, reward, _, truncated, info = env.step(act(observation))
        look(env)
        begun.observations.append(copied(observation))
        begun.rewards.append(float(reward))
        begun.successes.append(info["success"])
        if truncated:
            break
    return begun


def start(env: Env, variation: int, seed: int | None = None) -> tuple[Any, Any]:
    """Resets an env to a variation; returns the observation and the info."""
    return env.reset(seed=seed, options={"variation": variation})


def random_actions(env: Env) -> Act:
    """Random actions from a generator with a fixed seed."""
    generator = np.random.default_rng(0)
    shape = env.action_space.shape

    def act(observation: Observation) -> Action:
        return generator.uniform(-1, 1, shape).astype(np.float32)

    return act


@contextmanager
def counted_resets(env: Env) -> Iterator[list[str]]:
    """Yields a list that collects the class name of each wrapper or env that is reset."""
    called: list[str] = []
    layers: list[Env] = []
    layer: Any = env
    while isinstance(layer, gymnasium.Env):
        layers.append(layer)
        layer = vars(layer).get("env")
    own = [vars(each).get("reset") for each in layers]
    for each in layers:
        _count(each, called)
    try:
        yield called
    finally:
        for each, reset in zip(layers, own, strict=True):
            if reset is None:
                del vars(each)["reset"]
            else:
                vars(each)["reset"] = reset


def _count(env: Env, called: list[str]) -> None:
    reset = env.reset

    def counted(**given: Any) -> Any:
        called.append(type(env).__name__)
        return reset(**given)

    vars(env)["reset"] = counted


def equal(first: Observation, second: Observation) -> bool:
    """Whether two observations are equal."""
    return first.keys() == second.keys() and all(
        np.array_equal(first[key], second[key]) for key in first
    )


def copied(observation: Observation) -> Observation:
    """Copy of an observation, which the env cannot change later."""
    return {key: value.copy() for key, value in observation.items()}
