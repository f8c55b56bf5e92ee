"""What a run computes with: device and precision, as this machine does them well.

``auto`` is settled once a run and recorded in its folder. A run that is resumed, here or
on another machine, keeps its precision, because sums in another one differ.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import torch

from robomtl.durable import write_json
from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.progress import remark
from robomtl.request import plain, refuse_other
from robomtl.untrusted import read_json

Precision = Literal["auto", "bfloat16", "float32"]

RECORD = "machine.json"
MOST_THREADS = 1024
_SIDE = {"cpu": 256, "cuda": 4096}  # Of the matrices that are multiplied to measure.
_TRIES = 8
_NATIVE = 0.8  # Of the time of float32; what is emulated takes longer than float32.


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What networks compute with."""

    device: str = "auto"
    """Torch device of the networks, such as cpu or cuda:1; ``auto`` is cuda where there
    is one."""
    precision: Precision = "auto"
    """Arithmetic of the networks, whose weights and losses stay float32; ``auto`` is
    bfloat16 where the device computes in it natively."""

    def __post_init__(self) -> None:
        """Checks the precision.

        Raises:
            InputError: If it is unknown; names the nearest.
        """
        check_precision(self.precision)

    def settled(self) -> "Machine":
        """The same with what ``auto`` is here.

        Raises:
            InputError: If there is no such device here.
        """
        check_device(self.device)
        device = device_of(self.device)
        return Machine(
            device=str(device), precision=precision_on(device, self.precision)
        )


def check_precision(name: str) -> None:
    """Makes sure that a precision is known.

    Raises:
        InputError: If it is not; names the nearest.
    """
    if name not in get_args(Precision):
        raise InputError(unknown("precision", name, get_args(Precision)))


def check_device(name: str) -> None:
    """Makes sure that a device is there.

    Raises:
        InputError: If it is not; names those that are.
    """
    if name not in ("auto", "cpu:0", *devices()):
        raise InputError(
            f"There is no device '{name}' here; torch finds {', '.join(devices())}."
        )


def cores() -> int:
    """Number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def devices() -> list[str]:
    """Names of the torch devices of this machine."""
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None or not torch.accelerator.is_available():
        return ["cpu"]
    name, count = accelerator.type, torch.accelerator.device_count()
    return ["cpu", name, *(f"{name}:{index}" for index in range(count))]


def device_of(name: str) -> torch.device:
    """The device of a name; for ``auto`` cuda where there is one, and else the CPU."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision_on(device: torch.device, asked: Precision) -> Precision:
    """The precision that is asked for; for ``auto`` what the device does natively."""
    if asked != "auto":
        return asked
    return "bfloat16" if computes_in_bfloat16(device) else "float32"


@cache
def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 natively: torch says so, and it is quicker.

    Torch also says so of processors on which it emulates bfloat16, and a product that is
    emulated takes up to 66 times as long as one in float32.
    """
    return _claims_bfloat16(device) and _quicker_in_bfloat16(device)


def _claims_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def _quicker_in_bfloat16(device: torch.device) -> bool:
    """Measures one product in each: the quickest of a few, as others may compute too."""
    side, threads = _SIDE[device.type], torch.get_num_threads()
    single = torch.ones(side, side, device=device)
    half = single.bfloat16()
    torch.set_num_threads(1)
    try:
        pairs = [(_seconds(single), _seconds(half)) for _ in range(_TRIES)]
    finally:
        torch.set_num_threads(threads)
    usual, other = (min(column) for column in zip(*pairs, strict=True))
    return bool(other < _NATIVE * usual)


def _seconds(matrix: torch.Tensor) -> float:
    """How long it takes to multiply a matrix with itself [s]."""
    wait: Callable[[], object] = (
        torch.cuda.synchronize if matrix.is_cuda else torch.cpu.synchronize
    )
    wait()
    before = time.perf_counter()
    torch.mm(matrix, matrix)
    wait()
    return time.perf_counter() - before


@dataclass(frozen=True, kw_only=True)
class Record(Machine):
    """What the file ``machine.json`` of a folder says; ``auto`` where it does not."""

    threads: tuple[tuple[int, int], ...] = ()
    """First steps, and with how many threads it went on from each; see
    ``robomtl.threads``."""

    def __post_init__(self) -> None:
        """Checks the precision and the numbers.

        Raises:
            InputError: If one is out of range.
        """
        super().__post_init__()
        for first, count in self.threads:
            if first < 0 or not 1 <= count <= MOST_THREADS:
                raise InputError(
                    f"threads has {count} from step {first} on; steps count from 0, and"
                    f" threads are 1 to {MOST_THREADS}."
                )


def recorded(folder: Path) -> Record:
    """What a folder says it computes with; nothing where it does not.

    Raises:
        InputError: If the file is damaged.
    """
    path = folder / RECORD
    return read_json(path, Record) if path.exists() else Record()


def settled_in(folder: Path, asked: Machine, *, begun: bool) -> Machine:
    """What a folder's work computes with: as it began, or settled now and recorded.

    Args:
        folder: Receives ``machine.json``.
        asked: What is asked for now.
        begun: Whether the folder holds work. What does not say how it computes was begun
            before that could be chosen, in bfloat16.

    Raises:
        InputError: If there is no such device here, or the work began in another
            precision.
    """
    there: Machine = recorded(folder)
    if there == Record() and begun:
        there = Machine(precision="bfloat16")
    machine = continued(asked, there)
    if there.precision not in ("auto", machine.precision):
        given = {"precision": machine.precision}
        refuse_other(folder, {"precision": there.precision}, given)
    write_json(folder / RECORD, plain(machine))
    warn_if_slow(machine)
    remark(f"Computing on {machine.device} in {machine.precision}.")
    return machine


def continued(asked: Machine, there: Machine) -> Machine:
    """What is asked for, with what a folder has recorded in the place of ``auto``.

    Args:
        asked: What is asked for now.
        there: What is recorded; a device that is not here is settled anew.

    Raises:
        InputError: If there is no such device here.
    """
    device, precision = asked.device, asked.precision
    if device == "auto" and there.device in devices():
        device = there.device
    if precision == "auto":
        precision = there.precision
    return Machine(device=device, precision=precision).settled()


def warn_if_slow(machine: Machine) -> None:
    """Says so where a settled machine computes in a precision that it emulates."""
    slow = not computes_in_bfloat16(device_of(machine.device))
    if machine.precision == "bfloat16" and slow:
        remark(
            f"{machine.device} has no native bfloat16 here: a product may take 66 times"
            " as long in it as in float32. For float32, begin anew in another folder"
            " (--out) with --precision float32."
        )
