"""Processes that share the batches of a run, and their communication.

Each process computes the gradient of its part of every batch. The gradients are summed
through Accelerate, by gloo on CPUs and by NCCL on GPUs, so that all processes take the same
step. Only the main process logs, measures, saves and evaluates; the others follow it.
"""

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from robomtl.errors import InputError, LostProcessError
from robomtl.execution.cores import check_room
from robomtl.extras import library

KEPT = "Checkpoints are kept: the same command resumes from the last one."
"""End of messages about processes that were lost."""
_LONGEST = timedelta(hours=6)  # The main process may evaluate while the others wait.


class Processes(Protocol):
    """The processes of a run, from the view of one of them."""

    @property
    def rank(self) -> int:
        """Index of this process; the main one has 0."""
        ...

    @property
    def number(self) -> int:
        """Number of all processes."""
        ...

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors by their sums over all processes.

        Raises:
            LostProcessError: If another process has ended.
        """
        ...

    def copy_main(self, tensors: Iterable[Tensor]) -> None:
        """Replaces tensors by those of the main process.

        Raises:
            LostProcessError: If another process has ended.
        """
        ...

    def wait(self) -> None:
        """Waits until all processes have called it.

        Raises:
            LostProcessError: If another process has ended.
        """
        ...


class SingleProcess(NamedTuple):
    """A process that trains alone; see ``Processes``."""

    rank: int = 0
    number: int = 1

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Leaves the tensors as they are."""

    def copy_main(self, tensors: Iterable[Tensor]) -> None:
        """Leaves the tensors as they are."""

    def wait(self) -> None:
        """Returns at once."""


ALONE: Processes = SingleProcess()
"""This process alone."""


class Accelerated(NamedTuple):
    """Processes that are connected through Accelerate; see ``Processes``."""

    rank: int
    number: int

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """See ``Processes``."""
        with _explained(self):
            for tensor in tensors:
                tensor.copy_(accelerate().utils.reduce(tensor, reduction="sum"))

    def copy_main(self, tensors: Iterable[Tensor]) -> None:
        """See ``Processes``."""
        with _explained(self):
            for tensor in tensors:
                tensor.copy_(accelerate().utils.broadcast(tensor.contiguous()))

    def wait(self) -> None:
        """See ``Processes``."""
        self.add_up([torch.zeros(1, device=accelerate().PartialState().device)])


def launched() -> bool:
    """Whether this is one of several processes of a launcher such as ``accelerate launch``.

    False in processes that one of these starts, such as workers that evaluate.
    """
    inner = multiprocessing.parent_process() is not None
    return not inner and int(os.environ.get("WORLD_SIZE", "1")) > 1


def follows() -> bool:
    """Whether a launcher has started this process to follow a main one."""
    return launched() and int(os.environ.get("RANK", "0")) > 0


def number_of(processes: int) -> int:
    """The number of processes of a run: the launcher's, or else the requested one.

    Raises:
        InputError: If more than one is requested, and the launcher has started another
            number.
    """
    if not launched():
        return processes
    number = int(os.environ["WORLD_SIZE"])
    if processes not in (1, number):
        raise InputError(
            f"processes is {processes}, and the launcher has started {number}; leave"
            " --processes out."
        )
    return number


def check_devices(processes: int, device: str) -> None:
    """Checks that every process can have its own device.

    Args:
        processes: Number of processes.
        device: Torch's name of the device, resolved.

    Raises:
        InputError: If there are fewer devices than processes, the name is of a single
            device such as ``cuda:0``, or the machine lacks room for the processes.
    """
    kind = torch.device(device)
    here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
    check_room("processes", here)
    if processes == 1 or kind.type == "cpu":
        return
    count = torch.get_device_module(kind.type).device_count()
    if here > count:
        raise InputError(
            f"{here} processes need a device '{kind.type}' each, and torch finds {count};"
            f" give --processes {count}, or --device cpu."
        )
    if kind.index is not None:
        raise InputError(
            f"{processes} processes need a device each, and '{device}' is a single one;"
            f" give --device {kind.type}."
        )


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """The processes of a launcher, as the environment variables describe them.

    Args:
        device: Torch's name of the device that the run computes on.

    Raises:
        MissingExtraError: If the extra ``accelerate`` is missing.
    """
    state = accelerate().PartialState(cpu=device == "cpu", timeout=_LONGEST)
    try:
        yield Accelerated(state.process_index, state.num_processes)
    finally:
        state.destroy_process_group()
        state._reset_state()


def accelerate() -> Any:
    """The library Accelerate.

    Raises:
        MissingExtraError: If the extra ``accelerate`` is missing.
    """
    need = "Training in several processes needs an extra"
    return library("accelerate", extra="accelerate", need=need)


@contextmanager
def _explained(processes: Processes) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # Gloo and NCCL raise no more specific type.
        raise LostProcessError(
            f"Another of the {processes.number} processes of the training has ended, or"
            f" cannot be reached. {KEPT}"
        ) from error
