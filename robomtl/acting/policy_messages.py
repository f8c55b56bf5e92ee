"""Messages between a policy server and its clients, in the format of openpi's client.

A message is a MessagePack map from names to strings, numbers and arrays. An array is a map
with its bytes, dtype and shape, whose keys are bytes. Nothing else is decoded: no Python
objects, and no arrays of other dtypes than bool, integers and floats.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from robomtl.arguments import shown
from robomtl.errors import InputError

_KIND = re.compile(r"[<>|=]?[biuf]\d{1,2}")
_AXES = 8  # Largest number of an array's axes.


def pack(values: Mapping[str, Any]) -> bytes:
    """Packs strings, numbers, arrays, and lists and maps of them into a message."""
    return msgspec.msgpack.encode(values, enc_hook=_packed)


def _packed(value: Any) -> dict[bytes, Any]:
    assert isinstance(value, np.ndarray)
    return {
        b"__ndarray__": True,
        b"data": value.tobytes(),
        b"dtype": value.dtype.str,
        b"shape": value.shape,
    }


def unpack(message: bytes | str) -> dict[str, Any]:
    """Values of a message, by name; arrays are read-only.

    Raises:
        InputError: If it is not a map from names to strings, numbers and arrays.
    """
    if isinstance(message, str):
        raise InputError(
            "The message is text; send a MessagePack map in a binary frame."
        )
    try:
        values = msgspec.msgpack.decode(message)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise InputError(f"The message is not MessagePack: {error}.") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(
            f"The message is {shown(values)}; send a map from names to values, such as"
            " {'state': array, 'prompt': text}."
        )
    return {name: _unpacked(name, value) for name, value in values.items()}


def _unpacked(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if b"__npgeneric__" in value:
        return value.get(b"data")
    if b"__ndarray__" not in value:
        raise InputError(
            f"'{name}' is a map; send each of its values under its own name, such as"
            f" '{name}.state'."
        )
    return _array(name, value)


def _array(name: str, value: Mapping[Any, Any]) -> NDArray[Any]:
    kind, shape, data = (value.get(key) for key in (b"dtype", b"shape", b"data"))
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise InputError(
            f"The array '{name}' has the type {shown(kind)}; send numbers, such as float32"
            " or uint8."
        )
    sizes: list[Any] = shape if isinstance(shape, list) else [None]
    whole = all(type(size) is int and size >= 0 for size in sizes)
    if not whole or len(sizes) > _AXES:
        raise InputError(f"The array '{name}' has the shape {shown(shape)}.")
    try:
        dtype = np.dtype(kind)
    except TypeError as error:
        raise InputError(f"The array '{name}' has the type {shown(kind)}.") from error
    expected = math.prod(sizes) * dtype.itemsize
    if not isinstance(data, bytes) or len(data) != expected:
        raise InputError(
            f"The array '{name}' of shape {shape} and type {dtype} needs {expected:,}"
            " bytes of data; the message has something else."
        )
    return np.frombuffer(data, dtype).reshape(sizes)
