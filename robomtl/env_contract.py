"""Checks of the values that plug-in envs return in a trial.

Equivalent values are converted, see ``robomtl.returned_values``. Any other value is refused
by a message with the task, the variation and the step. The check of a correct step takes
about 2 microseconds.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.pictures import OnDemandPictures
from robomtl.returned_values import finite, in_float32, kind_of, number, truth
from robomtl.task import Env, Observation

FPS = 10  # [1/s] For envs that declare no rate; LeRobot's value for toy envs.


class Stepped(NamedTuple):
    """The checked values of a step."""

    observation: Observation
    reward: float
    ended: bool
    """Whether the env terminated or truncated the episode."""
    success: bool


class EnvContract:
    """Checks the values that one env returns.

    Args:
        env: The env; its observation space declares the expected shapes.
        task: Name of the task, for messages.
        variation: The variation that is played, for messages.

    Raises:
        InputError: If the observation space is not a Dict.
    """

    def __init__(self, env: Env, task: str, variation: int) -> None:
        space: Any = env.observation_space
        if not isinstance(space, gymnasium.spaces.Dict):
            raise InputError(
                f"{task}: the observation space is {space}; expected a Dict with 'state'."
            )
        self._shapes = {name: each.shape for name, each in space.spaces.items()}
        self._pictures: dict[str, Any] = {}
        if isinstance(env, OnDemandPictures) and env.blind:
            images = [n for n, shape in self._shapes.items() if len(shape or ()) == 3]
            self._pictures = {name: self._shapes.pop(name) for name in images}
        self._task, self._variation = task, variation

    def reset(self, result: Any) -> Observation:
        """The checked observation of a reset.

        Raises:
            InputError: If the env returned anything but (observation, info).
        """
        where = f"{self._task}, variation {self._variation}, reset"
        observation, _ = unpacked_reset(result, where)
        return self._checked(observation, 0)

    def step(self, result: Any, step: int) -> Stepped:
        """The checked values of a step.

        Args:
            result: Value that the env returned.
            step: Number of the step in its episode, from 1.

        Raises:
            InputError: If the env returned anything but (observation, reward, terminated,
                truncated, info), or one of these values is invalid.
        """
        if type(result) is not tuple or len(result) != 5:
            unpacked_step(result, self._where(step))
        observation, reward, terminated, truncated, info = result
        observation = self._checked(observation, step)
        if (
            type(info) is dict
            and (success := info.get("success")).__class__ is bool
            and type(terminated) is type(truncated) is bool
            and type(reward) is float
        ):
            return Stepped(observation, reward, terminated or truncated, success)  # pyrefly: ignore[bad-argument-type]
        where = self._where(step)
        ended = (
            truth(terminated, "terminated", where),
            truth(truncated, "truncated", where),
        )
        success = succeeded(info, "success", where)
        return Stepped(
            observation, number(reward, "reward", where), any(ended), success
        )

    def pictures(self, drawn: Any, step: int) -> Observation:
        """The checked pictures of a blind env; see ``robomtl.pictures.OnDemandPictures``.

        Raises:
            InputError: If a picture is missing or differs in shape from its space.
        """
        return self._fitting(drawn, self._pictures, step)

    def _checked(self, observation: Any, step: int) -> Observation:
        return self._fitting(observation, self._shapes, step)

    def _fitting(
        self, observation: Any, shapes: Mapping[str, Any], step: int
    ) -> Observation:
        for name, shape in shapes.items():
            value = observation.get(name) if isinstance(observation, dict) else None
            if type(value) is not np.ndarray or value.shape != shape:
                raise InputError(
                    f"{self._where(step)}: observation '{name}' is {kind_of(value)};"
                    f" expected an array of shape {shape}, as the observation space says."
                )
            if (kind := value.dtype.kind) not in "fiub":
                raise InputError(
                    f"{self._where(step)}: observation '{name}' is {kind_of(value)};"
                    " expected numbers."
                )
            if kind == "f" and not finite(single := in_float32(value)):
                lacking = np.flatnonzero(~np.isfinite(single)).tolist()
                raise InputError(
                    f"{self._where(step)}: observation '{name}' is not finite in"
                    f" components {lacking}, as float32."
                )
        checked: Observation = observation
        return checked

    def _where(self, step: int) -> str:
        return f"{self._task}, variation {self._variation}, step {step}"


def unpacked_reset(result: Any, where: object) -> tuple[Any, Mapping[str, Any]]:
    """The observation and the info that a reset returned.

    Raises:
        InputError: If it returned anything else.
    """
    if not isinstance(result, tuple) or len(result) != 2:
        raise InputError(
            f"{where}: the env returned {kind_of(result)}; expected (observation, info),"
            " as Gymnasium has it. Gym before 0.26 returned the observation alone."
        )
    return result[0], _information(result[1], where)


def unpacked_step(result: Any, where: object) -> tuple[Any, Any, Any, Any, Any]:
    """The five values that a step returned.

    Raises:
        InputError: If it returned anything else.
    """
    if not isinstance(result, tuple) or len(result) != 5:
        raise InputError(
            f"{where}: the env returned {kind_of(result)}; expected (observation, reward,"
            " terminated, truncated, info), as Gymnasium has it. Gym before 0.26 returned"
            " four values."
        )
    observation, reward, terminated, truncated, info = result
    return observation, reward, terminated, truncated, info


def succeeded(info: Any, key: str, where: object) -> bool:
    """Whether info reports success under a key.

    Raises:
        InputError: If the key is missing, or its value is not a bool.
    """
    info = _information(info, where)
    if key not in info:
        raise InputError(
            f"{where}: {unknown('key of info', key, info)} Every step must report success"
            " there; for a Gymnasium env, success= names another key, or computes it."
        )
    return truth(info[key], f"info['{key}']", where)


def frames_per_second(env: Env) -> int:
    """The rate of an env's steps [1/s]: ``metadata["render_fps"]``, or 10 without one.

    Raises:
        InputError: If it is not a positive number.
    """
    value = (env.metadata or {}).get("render_fps")
    if value is None:
        return FPS
    fits = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not fits or not 0.5 <= float(value) < math.inf:
        raise InputError(
            f"metadata['render_fps'] is {value!r}; give the steps per second, at least 1,"
            " or leave it out."
        )
    return round(float(value))


def _information(info: Any, where: object) -> Mapping[str, Any]:
    if not isinstance(info, Mapping):
        raise InputError(f"{where}: info is {kind_of(info)}; expected a dict.")
    return info
