"""Named arrays sent over a connection as raw bytes, as pickling images is slow."""

from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray


def send_arrays(connection: Connection, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Sends named arrays.

    Raises:
        OSError: If the other end is closed.
    """
    connection.send([(n, it.shape, it.dtype.str) for n, it in arrays.items()])
    for each in arrays.values():
        if each.size:
            connection.send_bytes(np.ascontiguousarray(each).data.cast("B"))


def receive_arrays(connection: Connection) -> dict[str, NDArray[Any]]:
    """Receives the arrays of one ``send_arrays`` call, by name.

    Raises:
        EOFError: If the other end is closed.
        OSError: If the other end died halfway.
    """
    arrays = {}
    for name, shape, kind in connection.recv():
        arrays[name] = np.empty(shape, kind)
        if arrays[name].size:
            connection.recv_bytes_into(arrays[name].data.cast("B"))
    return arrays
