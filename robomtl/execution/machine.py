"""Device and precision of a run, chosen by what this machine supports natively.

``auto`` is resolved once per run and recorded in its folder. A run that is resumed, here
or on another machine, keeps its precision, because results in another one differ.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from robomtl.errors import InputError
from robomtl.execution.machine_config import Machine as Machine
from robomtl.execution.machine_config import Precision as Precision
from robomtl.files.durable import write_json
from robomtl.files.folder_kinds import JOURNAL
from robomtl.files.request import plain, refuse_other
from robomtl.files.untrusted import read_json
from robomtl.progress import remark

MACHINE_FILE = "machine.json"
MOST_THREADS = 1024
_SIDE = {"cpu": 256, "cuda": 4096}  # Side of the square matrices that are timed.
_TRIES = 8
# bfloat16 counts as native below this fraction of float32's time; emulated, it is slower.
_NATIVE = 0.8


def check_device(name: str) -> None:
    """Refuses a device that this machine does not have.

    Raises:
        InputError: If it is missing; lists the available ones.
    """
    if name not in ("auto", "cpu:0", *devices()):
        raise InputError(
            f"There is no device '{name}' here; torch finds {', '.join(devices())}."
        )


def resolved(machine: Machine) -> Machine:
    """Copy of a machine with ``auto`` replaced by the best device and precision.

    Raises:
        InputError: If this machine does not have the device.
    """
    check_device(machine.device)
    device = device_of(machine.device)
    return Machine(
        device=str(device), precision=precision_on(device, machine.precision)
    )


def memory() -> int:
    """Memory of this machine [bytes]."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def devices() -> list[str]:
    """Names of the torch devices of this machine."""
    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None or not torch.accelerator.is_available():
        return ["cpu"]
    name, count = accelerator.type, torch.accelerator.device_count()
    return ["cpu", name, *(f"{name}:{index}" for index in range(count))]


def device_of(name: str) -> torch.device:
    """Torch device of a name; for ``auto``, cuda if available, else the CPU."""
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision_on(device: torch.device, requested: Precision) -> Precision:
    """The requested precision; for ``auto``, bfloat16 if it is native, else float32."""
    if requested != "auto":
        return requested
    return "bfloat16" if computes_in_bfloat16(device) else "float32"


@cache
def computes_in_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 natively: torch claims so, and it is faster.

    Torch also claims so on processors where it emulates bfloat16 and a matrix product
    takes up to 66 times as long as in float32.
    """
    return _claims_bfloat16(device) and _quicker_in_bfloat16(device)


def _claims_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def _quicker_in_bfloat16(device: torch.device) -> bool:
    """Whether a matrix product is faster in bfloat16, by the minimum of several times."""
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
    """Time to multiply a matrix by itself [s]."""
    wait: Callable[[], object] = (
        torch.cuda.synchronize if matrix.is_cuda else torch.cpu.synchronize
    )
    wait()
    before = time.perf_counter()
    torch.mm(matrix, matrix)
    wait()
    return time.perf_counter() - before


@dataclass(frozen=True, kw_only=True)
class MachineRecord(Machine):
    """The content of ``machine.json`` in a folder; ``auto`` where a field is missing."""

    threads: tuple[tuple[int, int], ...] = ()
    """Pairs (first step, number of threads from that step on), chosen as in
    module ``robomtl.execution.threads``."""

    def __post_init__(self) -> None:
        """Checks the types and the ranges.

        Raises:
            InputError: If a value is unknown or out of range.
        """
        super().__post_init__()
        for first, count in self.threads:
            if first < 0 or not 1 <= count <= MOST_THREADS:
                raise InputError(
                    f"threads has {count} from step {first} on; steps count from 0, and"
                    f" threads are 1 to {MOST_THREADS}."
                )


def recorded_machine(folder: Path) -> MachineRecord:
    """Machine that is recorded in a folder; all ``auto`` if none is.

    Raises:
        InputError: If the file is damaged.
    """
    path = folder / MACHINE_FILE
    return read_json(path, MachineRecord) if path.exists() else MachineRecord()


def resolved_in(folder: Path, requested: Machine) -> Machine:
    """Machine for the work of a folder: the recorded one, else resolved and recorded now.

    A journal without a record predates the choice of precision, and was computed in
    bfloat16.

    Args:
        folder: Folder in which ``machine.json`` is written.
        requested: Requested device and precision.

    Raises:
        InputError: If this machine does not have the device, or the work began in another
            precision.
    """
    recorded: Machine = recorded_machine(folder)
    if recorded == MachineRecord() and (folder / JOURNAL).exists():
        recorded = Machine(precision="bfloat16")
    machine = continued(requested, recorded)
    if recorded.precision not in ("auto", machine.precision):
        given = {"precision": machine.precision}
        refuse_other(folder, {"precision": recorded.precision}, given)
    write_json(folder / MACHINE_FILE, plain(machine))
    warn_if_slow(machine)
    remark(f"Computing on {machine.device} in {machine.precision}.")
    return machine


def continued(requested: Machine, recorded: Machine) -> Machine:
    """The requested machine with ``auto`` replaced by the recorded values of a folder.

    Args:
        requested: Requested device and precision.
        recorded: Machine of the folder; if its device is missing here, another is chosen.

    Raises:
        InputError: If this machine does not have the device.
    """
    device, precision = requested.device, requested.precision
    if device == "auto" and recorded.device in devices():
        device = recorded.device
    if precision == "auto":
        precision = recorded.precision
    return resolved(Machine(device=device, precision=precision))


def warn_if_slow(machine: Machine) -> None:
    """Warns if a resolved machine only emulates its precision."""
    slow = not computes_in_bfloat16(device_of(machine.device))
    if machine.precision == "bfloat16" and slow:
        remark(
            f"{machine.device} has no native bfloat16 here: a matrix product may take 66"
            " times as long as in float32. For float32, start again in another folder"
            " (--out) with --precision float32."
        )
