"""Checks of the values that envs, agents and experts of plug-ins return.

Equivalent values are converted: numpy's booleans, arrays of one element, success as 0 or
1, actions as lists or tensors. Any other value is refused with the task, the variation and
the step. The check of a correct step takes about 2 microseconds.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from robomtl.arguments import shown
from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.pictures import Sighted
from robomtl.task import Env, Observation

FPS = 10  # [1/s] Of envs that declare none; LeRobot's value for toy envs.


class Stepped(NamedTuple):
    """The checked values of a step."""

    observation: Observation
    reward: float
    ended: bool
    """Whether the env terminated or truncated the episode."""
    success: bool


class Border:
    """Checks the values that one env returns.

    Args:
        env: The env; its observation space declares the expected shapes.
        task: Name of the task, for messages.
        variation: The variation that is played, for messages.

    Raises:
        InputError: If the observation space is no Dict.
    """

    def __init__(self, env: Env, task: str, variation: int) -> None:
        space: Any = env.observation_space
        if not isinstance(space, gymnasium.spaces.Dict):
            raise InputError(
                f"{task}: the observation space is {space}; expected a Dict with 'state'."
            )
        self._shapes = {name: each.shape for name, each in space.spaces.items()}
        self._pictures: dict[str, Any] = {}
        if isinstance(env, Sighted) and env.blind:
            images = [n for n, shape in self._shapes.items() if len(shape or ()) == 3]
            self._pictures = {name: self._shapes.pop(name) for name in images}
        self._task, self._variation = task, variation

    def reset(self, result: Any) -> Observation:
        """The observation of a reset.

        Raises:
            ValueError: If it returned anything else than an observation and its info.
        """
        where = f"{self._task}, variation {self._variation}, reset"
        observation, _ = unpacked_reset(result, where)
        return self._checked(observation, 0)

    def step(self, result: Any, step: int) -> Stepped:
        """The checked values of a step.

        Args:
            result: The value that the env returned.
            step: Number of the step in its episode, from 1.

        Raises:
            ValueError: If it returned anything else than the five parts, or one of them
                is not what it should be.
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
        """The checked pictures that a blind env draws.

        Raises:
            InputError: If one is missing or of another shape than its space says.
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
            if kind == "f" and not finite(single := _single(value)):
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
    """An observation and its info, as a reset returns them.

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
    """The five parts that a step returns.

    Raises:
        InputError: If it returned anything else.
    """
    if not isinstance(result, tuple) or len(result) != 5:
        raise InputError(
            f"{where}: the env returned {kind_of(result)}; expected (observation, reward,"
            " terminated, truncated, info), as Gymnasium has it. Gym before 0.26 returned"
            " four parts."
        )
    observation, reward, terminated, truncated, info = result
    return observation, reward, terminated, truncated, info


def succeeded(info: Any, key: str, where: object) -> bool:
    """Whether info reports success under a key.

    Raises:
        InputError: If it does not say, or not by a truth value.
    """
    info = _information(info, where)
    if key not in info:
        raise InputError(
            f"{where}: {unknown('key of info', key, info)} Every step says there whether it"
            " succeeded; of a Gymnasium env, success= names another key, or computes it."
        )
    return truth(info[key], f"info['{key}']", where)


def truth(value: Any, what: str, where: object) -> bool:
    """A truth value, also where it is numpy's, of one element, or 0 or 1.

    Raises:
        InputError: If it is anything else, such as text, NaN or a list.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    value = _array_of(value)
    if isinstance(value, np.ndarray | np.generic | int | float) and np.size(value) == 1:
        single = np.asarray(value).reshape(())
        if single.dtype.kind in "biuf" and single in (0, 1):
            return bool(single)
    raise InputError(f"{where}: {what} is {shown(value)}; expected True or False.")


def number(value: Any, what: str, where: object) -> float:
    """A number, also where it is numpy's of one element.

    Raises:
        InputError: If it is anything else.
    """
    if isinstance(value, float | int | np.floating | np.integer):
        return float(value)
    value = _array_of(value)
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "biuf":
        return float(value.item())
    raise InputError(f"{where}: {what} is {shown(value)}; expected a number.")


def action_array(
    value: Any, shape: tuple[int, ...], who: str, where: str = ""
) -> NDArray[np.float32]:
    """Actions as a float32 array, converted from a list or a tensor where necessary.

    Args:
        value: The returned value.
        shape: The expected shape.
        who: Name of what returned it, for the message.
        where: Prefix of the message, such as a task and a step.

    Raises:
        InputError: If it is not of this shape, or no array of numbers.
    """
    if type(value) is np.ndarray and value.dtype == np.float32 and value.shape == shape:
        return value
    array = _numbers(value)
    if array is None or array.shape != shape:
        raise InputError(
            f"{where}{': ' * bool(where)}{who} returned {kind_of(_array_of(value))};"
            f" expected actions of shape {shape}."
        )
    return _single(array)


def action_vector(value: Any, who: str) -> NDArray[np.float32]:
    """One action of any size as a float32 array of its own; see ``action_array``.

    Raises:
        InputError: If it is no vector of numbers.
    """
    array = _numbers(value)
    if array is None or array.ndim != 1:
        raise InputError(
            f"{who} returned {kind_of(_array_of(value))}; expected an action, a vector of"
            " numbers."
        )
    return _single(array).copy()


def _numbers(value: Any) -> NDArray[Any] | None:
    """A value as an array of numbers; None if it is none."""
    try:
        array = np.asarray(_array_of(value))
    except ValueError:  # Rows of different lengths.
        return None
    return array if array.dtype.kind in "biuf" else None


def _single(value: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers as float32; those that are too large become infinite."""
    if value.dtype == np.float32:
        return value
    with np.errstate(over="ignore"):
        return value.astype(np.float32)


def _array_of(value: Any) -> Any:
    """The values of a tensor as an array; any other value as it is."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()  # numpy has no bfloat16.
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def frames_per_second(env: Env) -> int:
    """The rate of an env's steps [1/s]: ``metadata["render_fps"]``, or 10 without one.

    Raises:
        InputError: If it is no positive number.
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


def finite(values: NDArray[Any]) -> bool:
    """Whether all values of an array are finite."""
    # The product takes a quarter of the time, and is finite unless it overflows.
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def kind_of(value: Any) -> str:
    """The type of a value for messages, with the shape of arrays and the size of lists."""
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"


def _information(info: Any, where: object) -> Mapping[str, Any]:
    if not isinstance(info, Mapping):
        raise InputError(f"{where}: info is {kind_of(info)}; expected a dict.")
    return info
