"""Number of torch threads that a run computes with: measured, recorded, and kept.

A sum that is split among threads rounds differently, so results are bit-identical only for
equal numbers of threads. Each choice is therefore recorded with its first step, and a
resumed run follows the record.

Threads wait for the slowest of them at barriers: while another process is busy, a step
with two threads may take ten times as long as with one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch

from robomtl.errors import InputError
from robomtl.execution.machine import (
    MACHINE_FILE,
    MOST_THREADS,
    Machine,
    MachineRecord,
    recorded_machine,
)
from robomtl.files.durable import write_json
from robomtl.files.request import plain
from robomtl.progress import remark

ThreadCount = int | Literal["auto"]

_TRIES = 3
_PAYS = 1.25  # Speed-up at which twice as many threads are worth their cores.
_AGAIN = 60.0  # [s] Time between measurements.
_SOON = 10.0  # [s] Time until the second one: other work may disturb the first.


def check_threads(count: ThreadCount) -> None:
    """Refuses a number of threads that cannot be started.

    Raises:
        InputError: If it is neither ``auto`` nor in range.
    """
    whole = isinstance(count, int) and not isinstance(count, bool)
    if count != "auto" and not (whole and 1 <= int(count) <= MOST_THREADS):
        raise InputError(f"threads is {count!r}; give auto, or 1 to {MOST_THREADS}.")


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes the block with one torch thread, and then restores the caller's number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Threads:
    """Sets the number of torch threads for each step of a run.

    As a context manager, it restores the caller's number at the end. ``auto`` chooses at
    most the caller's number, and 1 on any device other than the CPU.

    Args:
        requested: The number of threads; ``auto`` to measure.
        device: Torch's name of the device that computes the steps.
        folder: Run directory; choices are recorded in its ``machine.json``.
    """

    def __init__(self, requested: ThreadCount, *, device: str, folder: Path) -> None:
        self._requested, self._folder = requested, folder
        self._before = torch.get_num_threads()
        self._most = self._before if device.startswith("cpu") else 1
        self._choices = recorded_machine(folder).threads
        self._measured = time.monotonic() - max(_AGAIN - _SOON, 0.0)

    def __enter__(self) -> "Threads":
        torch.set_num_threads(1 if self._requested == "auto" else self._requested)
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._before)

    def forget(self) -> None:
        """Forgets the recorded choices, for a run that starts from its first step."""
        self._choices = ()

    def record(self, machine: Machine) -> None:
        """Records the machine of the run beside the choices."""
        kept = MachineRecord(
            device=machine.device, precision=machine.precision, threads=self._choices
        )
        write_json(self._folder / MACHINE_FILE, plain(kept))

    def take(self, step: int, rehearse: Callable[[], object]) -> None:
        """Sets the number of threads for a step; measures first if that is due.

        Args:
            step: Index of the step, which is the number of steps taken before.
            rehearse: Computes as much as a step does, without side effects.
        """
        known = [count for first, count in self._choices if first <= step]
        now = known[-1] if known else None
        count = self._count(now, rehearse, last=len(known) == len(self._choices))
        if count != now:
            self._keep(step, count)
        if count != torch.get_num_threads():
            torch.set_num_threads(count)

    def _count(
        self, now: int | None, rehearse: Callable[[], object], *, last: bool
    ) -> int:
        if self._requested != "auto":
            return self._requested
        if now is None or now > self._most:
            return _worthwhile(rehearse, self._most)
        if not last or time.monotonic() - self._measured < _AGAIN:
            return now
        self._measured = time.monotonic()
        if now > 1 and _pays(rehearse, 1, now, times=1.0):
            return now
        return _worthwhile(rehearse, self._most) if now == 1 else 1

    def _keep(self, step: int, count: int) -> None:
        before = [each for each in self._choices if each[0] < step]
        self._choices = (*before, (step, count))
        self.record(recorded_machine(self._folder))
        if before:
            remark(f"Threads from step {step} on: {count}.")


def _worthwhile(rehearse: Callable[[], object], max_threads: int) -> int:
    """Number of threads: 1, doubled as long as that pays."""
    count = 1
    while 2 * count <= max_threads and _pays(rehearse, count, 2 * count, times=_PAYS):
        count *= 2
    return count


def _pays(rehearse: Callable[[], object], few: int, many: int, *, times: float) -> bool:
    """Whether every try with many threads is this factor faster than any with few."""
    best = min(_tries(rehearse, few))
    return all(taken * times < best for taken in _tries(rehearse, many))


def _tries(rehearse: Callable[[], object], count: int) -> Iterator[float]:
    """Yields durations of a step with this number of threads [s], after a warm-up step."""
    torch.set_num_threads(count)
    rehearse()
    for _ in range(_TRIES):
        before = time.perf_counter()
        rehearse()
        yield time.perf_counter() - before
