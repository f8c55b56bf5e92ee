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
_LIMIT = 2**40  # [bytes] Of a file.
_FEW, _EACH = 1000, 16  # A network of n tensors has at most 1000 + 16 n parts.

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


def _described(path: Path, name: str, found: Any) -> Tensor:
    dtype = _DTYPES.get(found.get_dtype())
    if dtype is None:
        raise InputError(
            f"{path}: tensor {name} is of type {found.get_dtype()}; known are"
            f" {', '.join(_DTYPES)}."
        )
    return torch.empty(found.get_shape(), dtype=dtype, device="meta")


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
    """The sha256 of a file, read in blocks; that of an empty file where none exists."""
    if not path.exists():
        return hashlib.sha256(b"").hexdigest()
    check_file(path, limit=_LIMIT)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_same(
    found: Mapping[str, Tensor], expected: Mapping[str, Tensor], *, where: Path
) -> None:
    """Refuses tensors of other names, shapes or types than expected.

    Args:
        found: Tensors of a file, by name.
        expected: Tensors that it should have.
        where: The file, for the message.

    Raises:
        InputError: Naming the first tensor that differs.
    """
    for name in sorted({*found, *expected}):
        if name not in found or name not in expected:
            lacks = "lacks" if name not in found else "has an unknown"
            raise InputError(f"{where} does not fit: it {lacks} tensor {name}.")
        there, here = found[name], expected[name]
        if there.shape != here.shape or there.dtype != here.dtype:
            raise InputError(
                f"{where} does not fit: tensor {name} is {_kind(there)}, where"
                f" {_kind(here)} is expected."
            )


def check_by_task(
    found: Mapping[str, Tensor], numbers: Collection[int], *, where: Path
) -> None:
    """Refuses tensors that are neither a single number nor one for each task or group.

    Args:
        found: Tensors of a file, by name.
        numbers: Number of tasks, and of groups if that differs.
        where: The file, for the message.

    Raises:
        InputError: Naming the first tensor.
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
        fresh: Tensors of a freshly built network; where these are infinite, constants are.
        where: The file, for the message.

    Raises:
        InputError: Naming the first tensor.
    """
    for name, tensor in found.items():
        constant = name in fresh and not torch.isfinite(fresh[name]).all()
        if not (constant or torch.isfinite(tensor).all()):
            raise InputError(f"{where} is damaged: tensor {name} is not finite.")


class TooLargeError(InputError):
    """A network that is larger than can be built."""


def on_meta(build: Callable[[], torch.nn.Module], tensors: int) -> torch.nn.Module:
    """A network without values, which may have few more parts than a file of weights.

    A network that reads values while it is built, as those of plug-ins may, is built with
    values.

    Args:
        build: Builds it.
        tensors: Number of tensors in the file.

    Raises:
        TooLargeError: If the network has many more parts, or sizes beyond all memory.
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
    """Limits the number of parts that modules of this thread register in the block."""
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
