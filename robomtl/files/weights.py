"""Weights in safetensors files; their headers are checked before memory is allocated."""

import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.modules import module

from robomtl.errors import InputError
from robomtl.files.untrusted import check_file

_HEADER = 8 * 2**20  # [bytes] About 100,000 tensors.
_LIMIT = 2**40  # [bytes] Largest file.
# A network of n tensors may have 1000 + 16 n modules, parameters and buffers.
_FEW, _EACH = 1000, 16

_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file without their values, on the meta device.

    Raises:
        InputError: If the file is missing, not regular or damaged, or has too many
            tensors, or tensors of an unknown type.
    """
    check_file(path, limit=_LIMIT)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > _HEADER:
        raise InputError(
            f"{path} has a header of {length:,} bytes; at most {_HEADER:,} are read."
        )
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}
            return {name: _described(path, name, each) for name, each in slices.items()}
    except SafetensorError as error:
        raise InputError(f"{path} is damaged: {error}.") from error


def _described(path: Path, name: str, stored: Any) -> Tensor:
    dtype = _DTYPES.get(stored.get_dtype())
    if dtype is None:
        raise InputError(
            f"{path}: tensor {name} is of type {stored.get_dtype()}; known are"
            f" {', '.join(_DTYPES)}."
        )
    return torch.empty(stored.get_shape(), dtype=dtype, device="meta")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file whose header was checked.

    Raises:
        InputError: If the file is damaged.
    """
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path} is damaged: {error}.") from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal; that of an empty file if it does not exist."""
    if not path.exists():
        return hashlib.sha256(b"").hexdigest()
    check_file(path, limit=_LIMIT)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_same(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, where: Path
) -> None:
    """Refuses tensors whose names, shapes or types differ from the expected ones.

    Args:
        found: Tensors of a file, by name.
        expected: Expected tensors, by name.
        where: The file, for the message.

    Raises:
        InputError: If a tensor differs; the message names the first.
    """
    for name in sorted({*found, *expected}):
        if name not in found or name not in expected:
            lacks = "lacks" if name not in found else "has an unknown"
            raise InputError(f"{where} does not fit: it {lacks} tensor {name}.")
        stored, needed = found[name], expected[name]
        if stored.shape != needed.shape or stored.dtype != needed.dtype:
            raise InputError(
                f"{where} does not fit: tensor {name} is {_kind(stored)}, where"
                f" {_kind(needed)} is expected."
            )


def check_by_task(
    found: Mapping[str, Tensor], numbers: Collection[int], *, where: Path
) -> None:
    """Refuses tensors that are neither a scalar nor one number per task or group.

    Args:
        found: Tensors of a file, by name.
        numbers: Number of tasks, and number of groups if it differs.
        where: The file, for the message.

    Raises:
        InputError: If a tensor has another shape; the message names the first.
    """
    for name, tensor in found.items():
        if tensor.shape != () and (tensor.ndim > 1 or len(tensor) not in numbers):
            expected = " or ".join(map(str, sorted(numbers)))
            raise InputError(
                f"{where} does not fit: tensor {name} is {_kind(tensor)}, where one number"
                f" or {expected} are expected."
            )


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def check_finite(
    found: Mapping[str, Tensor], fresh: Mapping[str, Tensor], *, where: Path
) -> None:
    """Refuses values that are not finite.

    Args:
        found: Tensors of a file, by name.
        fresh: Tensors of a newly built network, by name; one that is not finite there is a
            constant, and is not checked.
        where: The file, for the message.

    Raises:
        InputError: If a tensor is not finite; the message names the first.
    """
    for name, tensor in found.items():
        constant = name in fresh and not torch.isfinite(fresh[name]).all()
        if not (constant or torch.isfinite(tensor).all()):
            raise InputError(f"{where} is damaged: tensor {name} is not finite.")


class TooLargeError(InputError):
    """Raised if a network is too large to be built."""


def on_meta(build: Callable[[], torch.nn.Module], tensors: int) -> torch.nn.Module:
    """A network on the meta device, whose size is bounded by that of a file of weights.

    A network that reads values while it is built, as one of a plug-in may, is built on
    the default device instead.

    Args:
        build: Builds the network.
        tensors: Number of tensors in the file.

    Raises:
        TooLargeError: If the network has far more modules, parameters and buffers than the
            file has tensors, or tensors beyond all memory.
    """
    with _bounded(_FEW + _EACH * tensors):
        try:
            with torch.device("meta"):
                return build()
        except (RuntimeError, OverflowError) as error:
            if "meta tensor" in str(error):
                return build()
            raise TooLargeError(f"its network cannot be built: {error}") from error


@contextmanager
def _bounded(limit: int) -> Iterator[None]:
    """Limits the modules, parameters and buffers that this thread registers in the block.

    Raises:
        TooLargeError: If there are more.
    """
    thread, count = threading.get_ident(), 0

    def registered(*_: Any) -> None:
        nonlocal count
        count += threading.get_ident() == thread
        if count > limit:
            raise TooLargeError(f"its network has more than {limit} parts")

    hooks = [
        module.register_module_parameter_registration_hook(registered),
        module.register_module_buffer_registration_hook(registered),
        module.register_module_module_registration_hook(registered),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
