"""Checks and conversion of values that plug-ins return.

Equivalent values are converted: numpy's booleans, arrays of one element, success as 0 or
1, actions as lists or tensors. Other values are refused.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.arguments import shown
from robomtl.errors import InputError


def truth(value: Any, what: str, where: object) -> bool:
    """The bool of a value that is a bool, or an array of one element, or 0 or 1.

    Args:
        value: Returned value.
        what: Name of the value, for the message.
        where: Beginning of the message, such as a task and a step.

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
    """The float of a value that is a number or an array of one element.

    Args:
        value: Returned value.
        what: Name of the value, for the message.
        where: Beginning of the message, such as a task and a step.

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
        value: Returned value.
        shape: Expected shape.
        who: Name of the function that returned it, for the message.
        where: Prefix of the message, such as a task and a step.

    Raises:
        InputError: If it has another shape, or is not an array of numbers.
    """
    if type(value) is np.ndarray and value.dtype == np.float32 and value.shape == shape:
        return value
    array = _numbers(value)
    if array is None or array.shape != shape:
        raise InputError(
            f"{where}{': ' * bool(where)}{who} returned {kind_of(_array_of(value))};"
            f" expected actions of shape {shape}."
        )
    return in_float32(array)


def action_vector(value: Any, who: str) -> NDArray[np.float32]:
    """One action of any size as a new float32 array; see ``action_array``.

    Raises:
        InputError: If it is not a vector of numbers.
    """
    array = _numbers(value)
    if array is None or array.ndim != 1:
        raise InputError(
            f"{who} returned {kind_of(_array_of(value))}; expected an action, a vector of"
            " numbers."
        )
    return in_float32(array).copy()


def _numbers(value: Any) -> NDArray[Any] | None:
    """A value as an array of numbers; None if it cannot be converted to one."""
    try:
        array = np.asarray(_array_of(value))
    except ValueError:  # Rows of different lengths.
        return None
    return array if array.dtype.kind in "biuf" else None


def in_float32(value: NDArray[Any]) -> NDArray[np.float32]:
    """Numbers as float32; values beyond its range become infinite."""
    if value.dtype == np.float32:
        return value
    with np.errstate(over="ignore"):
        return value.astype(np.float32)


def _array_of(value: Any) -> Any:
    """A tensor as a numpy array; any other value unchanged."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()  # numpy has no bfloat16.
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def finite(values: NDArray[Any]) -> bool:
    """Whether all values of an array are finite."""
    # The dot product takes a quarter of the time; if it overflows, all values are checked.
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def kind_of(value: Any) -> str:
    """The type of a value, for messages, with the shape of arrays and the length of lists."""
    if value is None:
        return "nothing"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
