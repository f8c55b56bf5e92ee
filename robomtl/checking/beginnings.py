"""How episodes begin under fixed actions, and how two beginnings differ."""

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
    """The beginning of an episode under fixed actions."""

    observations: list[Observation]
    rewards: list[float]
    successes: list[bool]


def difference(first: Beginning, second: Beginning) -> str:
    """How two beginnings differ, as a verb; empty if they do not."""
    if not alike(first.observations[0], second.observations[0]):
        return "starts differently"
    same = len(first.observations) == len(second.observations) and all(
        map(alike, first.observations, second.observations)
    )
    if same and first[1:] == second[1:]:
        return ""
    return "goes differently under the same actions"


def first_episode(suite: Suite, task: str) -> Beginning:
    """The beginning of the episode of the first fresh variation."""
    with watched(suite, task) as env:
        return beginning(env, suite.variations(task, "fresh")[0], seed=0)


def beginning(
    env: Env, variation: int, *, seed: int, look: Callable[[Env], object] = id
) -> Beginning:
    """The first steps of an episode under random actions, the same ones for all."""
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
    """What a reset to a variation returns: an observation and its info."""
    return env.reset(seed=seed, options={"variation": variation})


def random_actions(env: Env) -> Act:
    """Actions that follow one fixed stream of random numbers."""
    generator = np.random.default_rng(0)
    shape = env.action_space.shape

    def act(observation: Observation) -> Action:
        return generator.uniform(-1, 1, shape).astype(np.float32)

    return act


@contextmanager
def counted_resets(env: Env) -> Iterator[list[str]]:
    """Collects the name of each class whose ``reset`` is called, in all layers of an env."""
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


def alike(first: Observation, second: Observation) -> bool:
    """Whether two observations hold the same."""
    return first.keys() == second.keys() and all(
        np.array_equal(first[key], second[key]) for key in first
    )


def copied(observation: Observation) -> Observation:
    """An observation that no env can change any more."""
    return {key: value.copy() for key, value in observation.items()}
