"""Session of a policy server's client: from messages to the actions of its episode.

A message has the features of an observation, by the names that the policy was trained
with, and conditioning: ``prompt``, the instruction; ``task``, the name of the task;
``goal``, a vector that replaces the goal in the state; ``goal.NAME``, a goal image;
``embodiment``, the name of the robot; ``seed``, the seed of the policy's random numbers. A
conditioning key that a message omits keeps its value. An episode begins with the first
message of a connection, when the value of a conditioning key changes, and with ``reset``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.acting.actor import TaskInfo
from robomtl.acting.joining import Memories
from robomtl.acting.policy_episodes import Beginning, PolicyEpisodes, PredictionRequest
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.features import Embodiment, Feature
from robomtl.nearest import check_known
from robomtl.returned_values import finite, kind_of, truth
from robomtl.spec import GOAL

_OF_EPISODES = ("prompt", "task", "goal", "embodiment", "seed")
_SEEDS = 2**32


class PolicySession:
    """Running episode of a client.

    Args:
        card: Card of the policy.
    """

    def __init__(self, card: Card) -> None:
        self._card = card
        self._conditioning: dict[str, Any] = {}
        """Conditioning of the running episode, by key of the message."""
        self._robot = card.spec.embodiments[0]
        self._episode: PolicyEpisodes | None = None
        self.memories: Memories = {}
        """Memories of the policy in the episode, by group."""

    def requests(self, message: Mapping[str, Any]) -> list[PredictionRequest]:
        """Requests to the policy for a message; empty while a chunk is being executed.

        Args:
            message: Observation and conditioning; see the module.

        Raises:
            InputError: If a key is unknown or missing, or a value does not fit; the
                message is then ignored.
            MissingExtraError: If the instruction needs a language model that is missing.
        """
        of_episode = {*_OF_EPISODES, *self._card.spec.goals}
        given = self._conditioning | {
            k: v for k, v in message.items() if k in of_episode
        }
        robot = self._embodiment(given)
        known = [*robot.observation, *sorted(of_episode), "reset"]
        for name in message:
            check_known("key", name, known)
        observation = {
            name: _fitting(name, feature, message)
            for name, feature in robot.observation.items()
        }
        reset = truth(message.get("reset", False), "'reset'", "The message")
        if self._episode is None or reset or _differ(given, self._conditioning):
            self._episode = self._new_episode(given, robot)
            self._conditioning, self._robot = given, robot
        return self._episode.requests([observation])

    def actions(self, chunks: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Actions until the next message is due; (time, action).

        These are all executed actions of a chunk. Policies with a history or temporal
        ensembling need each observation, so that a single action is returned.

        Args:
            chunks: Answers of the policy; empty if nothing was requested.

        Raises:
            InputError: If an action is not finite.
        """
        assert self._episode is not None
        if chunks:
            self._episode.add(chunks)
        actions = [self._episode.action()[0]]
        while self._card.spec.history == 1 and not self._episode.due:
            actions.append(self._episode.action()[0])
        executed = np.stack(actions)
        if not finite(executed):
            raise InputError("The policy predicts actions that are not finite.")
        return executed

    def end(self) -> None:
        """Ends the episode; the next message begins another one."""
        self._episode = None

    def _embodiment(self, given: Mapping[str, Any]) -> Embodiment:
        robots, name = self._card.spec.embodiments, given.get("embodiment")
        if name is None and len(robots) == 1:
            return robots[0]
        if not isinstance(name, str):
            names = ", ".join(each.name for each in robots)
            raise InputError(f"Send the name of the robot as 'embodiment': {names}.")
        return robots[self._card.spec.index(name)]

    def _new_episode(
        self, given: Mapping[str, Any], robot: Embodiment
    ) -> PolicyEpisodes:
        spec, conditioning = self._card.spec, self._card.conditioning
        task_info = TaskInfo(
            _task(conditioning, given),
            _instruction(conditioning, given),
            _goal(conditioning, given),
        )
        images = {
            name.removeprefix(GOAL): _fitting(name, feature, given)
            for name, feature in spec.goals.items()
        }
        index = spec.embodiments.index(robot)
        beginning = Beginning([task_info], [_seed(given)], index, [images])
        return PolicyEpisodes(self._card, beginning, rows=1)


def _differ(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    return new.keys() != old.keys() or not all(
        _same(value, old[name]) for name, value in new.items()
    )


def _same(new: Any, old: Any) -> bool:
    if isinstance(new, np.ndarray) or isinstance(old, np.ndarray):
        return np.array_equal(new, old)
    return bool(new == old)  # Much faster than array_equal for strings.


def _fitting(name: str, feature: Feature, message: Mapping[str, Any]) -> NDArray[Any]:
    """Value of a feature in a message, as an array of the feature's dtype."""
    if name not in message:
        raise InputError(f"The message lacks '{name}': {feature}.")
    value = message[name]
    try:
        array = np.asarray(value)
    except ValueError:  # Lists of different lengths.
        array = np.asarray(None)
    kinds = "u" if feature.kind == "image" else "biuf"
    fits = array.dtype.kind in kinds and array.shape == feature.shape
    if not fits or (feature.kind == "image" and array.dtype != np.uint8):
        raise InputError(
            f"'{name}' is {kind_of(value)}; expected: {feature} and type {feature.dtype}."
        )
    with np.errstate(over="ignore"):
        array = array.astype(feature.dtype)
    if not finite(array):
        raise InputError(
            f"'{name}' is not finite in components"
            f" {np.flatnonzero(~np.isfinite(array)).tolist()}."
        )
    return array


def _text(name: str, given: Mapping[str, Any]) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"'{name}' is {kind_of(value)}; send text.")
    return value


def _instruction(conditioning: Conditioning, given: Mapping[str, Any]) -> str | None:
    prompt = _text("prompt", given)
    if prompt is None and "language" in conditioning.kinds:
        raise InputError(
            "The policy is conditioned on language; send the instruction as 'prompt'."
        )
    return prompt


def _task(conditioning: Conditioning, given: Mapping[str, Any]) -> str | None:
    task = _text("task", given)
    if task is None and {"one_hot", "demonstration"} & {*conditioning.kinds}:
        raise InputError(
            f"The policy is conditioned on {' and '.join(conditioning.kinds)}; send the name"
            f" of the task as 'task': {', '.join(conditioning.tasks)}."
        )
    return task


def _goal(
    conditioning: Conditioning, given: Mapping[str, Any]
) -> tuple[float, ...] | None:
    value = given.get("goal")
    if value is None:
        return None
    if "goal" not in conditioning.kinds or conditioning.goal is None:
        raise InputError("The policy is not conditioned on a goal; leave 'goal' out.")
    start, stop = conditioning.goal
    feature = Feature(kind="state", shape=(stop - start,))
    return tuple(_fitting("goal", feature, given).tolist())


def _seed(given: Mapping[str, Any]) -> int:
    seed = given.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < _SEEDS:
        raise InputError(
            f"'seed' is {seed!r}; send a whole number from 0, below 2**32."
        )
    return seed
