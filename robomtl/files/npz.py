"""Reads the arrays of a ``.npz`` file whose headers agree with their content.

numpy allocates the memory that an array's header declares before it reads the data, and
evaluates the header as an expression. Here a header must have the form in which
``numpy.savez`` writes it, and must declare exactly the bytes that follow it.
"""

import math
import re
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.files.parquet import check_size
from robomtl.files.untrusted import check_file

_LIMIT = 2**32  # Largest file [bytes].
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(?P<type>[<>|][biufU][1-9]\d{0,5})',"
    rb" 'fortran_order': (?P<columns>False|True),"
    rb" 'shape': \((?P<shape>(\d{1,18}, ?)*(\d{1,18})?)\), \} *\n"
)
# Errors of zipfile for files that are cut short or packed in another way.
_DAMAGED = (
    BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name; they are read-only.

    Args:
        path: File that ``numpy.savez`` or ``numpy.savez_compressed`` wrote.

    Raises:
        InputError: If the file is missing, damaged or cut short, declares more than is
            read, or contains anything but booleans, numbers and strings.
    """
    check_file(path, limit=_LIMIT)
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            declared = sum(member.file_size for member in members)
            check_size(path, declared, path.stat().st_size)
            return {
                member.filename.removesuffix(".npy"): _array(archive.read(member))
                for member in members
            }
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(f"{path} is damaged or cut short: {error}.") from error


def _array(content: bytes) -> NDArray[Any]:
    start = len(_MAGIC) + 2
    size = int.from_bytes(content[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(content[start : start + size])
    if not content.startswith(_MAGIC) or header is None:
        raise ValueError("an array of an unknown kind")
    shape = tuple(int(each) for each in re.findall(rb"\d+", header["shape"]))
    kind = np.dtype(header["type"].decode())
    if math.prod(shape) * kind.itemsize != len(content) - start - size:
        raise ValueError(f"an array of shape {shape} and type {kind} and other content")
    if 0 in shape:
        return np.empty(shape, kind)
    numbers: NDArray[Any] = np.frombuffer(content, kind, offset=start + size)
    if header["columns"] == b"True":
        return numbers.reshape(shape, order="F")
    return numbers.reshape(shape)
