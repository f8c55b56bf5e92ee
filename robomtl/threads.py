"""How many threads of torch a run computes with: measured, recorded, and kept.

A sum that is split among threads rounds otherwise, so results are equal to the bit for
equal numbers of threads only. What is chosen is therefore written down with the step from
which on it holds, and a run that is resumed follows what is written.

More threads than one meet at barriers, where all wait for the last: beside another process
a step with two of them may take ten times as long as with one.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch

from robomtl.durable import write_json
from robomtl.errors import InputError
from robomtl.machine import MOST_THREADS, RECORD, Machine, Record, recorded
from robomtl.progress import remark
from robomtl.request import plain

Count = int | Literal["auto"]

_TRIES = 3
_PAYS = 1.5  # How much quicker twice as many threads must be to be worth their cores.
_AGAIN = 60.0  # [s] Between measurements of a run that computes with several threads.


def check_threads(count: Count) -> None:
    """Makes sure that so many threads can be started.

    Raises:
        InputError: If they cannot.
    """
    whole = isinstance(count, int) and not isinstance(count, bool)
    if count != "auto" and not (whole and 1 <= int(count) <= MOST_THREADS):
        raise InputError(f"threads is {count!r}; give auto, or 1 to {MOST_THREADS}.")


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread in the block, so that sums do not depend on how many there were."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Threads:
    """Gives torch the threads of each step of a run.

    In a ``with`` block: those before come back at its end. ``auto`` chooses at most as
    many as these, and one on other devices than the CPU.

    Args:
        asked: How many; ``auto`` to measure.
        device: Torch's name of what the steps are computed on.
        folder: Run directory; choices are kept in its ``machine.json``.
    """

    def __init__(self, asked: Count, *, device: str, folder: Path) -> None:
        self._asked, self._folder = asked, folder
        self._before = torch.get_num_threads()
        self._most = self._before if device.startswith("cpu") else 1
        self._choices = recorded(folder).threads
        self._measured = time.monotonic()

    def __enter__(self) -> "Threads":
        torch.set_num_threads(1 if self._asked == "auto" else self._asked)
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._before)

    def forget(self) -> None:
        """Forgets the choices of a run that begins again."""
        self._choices = ()

    def record(self, machine: Machine) -> None:
        """Writes down what the run computes with, beside the choices."""
        kept = Record(
            device=machine.device, precision=machine.precision, threads=self._choices
        )
        write_json(self._folder / RECORD, plain(kept))

    def take(self, step: int, rehearse: Callable[[], object]) -> None:
        """Lets torch compute a step with the threads chosen for it.

        Args:
            step: Number of steps taken before.
            rehearse: Does what a step does, and leaves nothing changed.
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
        if self._asked != "auto":
            return self._asked
        if now is None or now > self._most:
            return _worthwhile(rehearse, self._most)
        if now > 1 and last and time.monotonic() - self._measured > _AGAIN:
            self._measured = time.monotonic()
            return now if _pays(rehearse, 1, now, times=1.0) else 1
        return now

    def _keep(self, step: int, count: int) -> None:
        before = [each for each in self._choices if each[0] < step]
        self._choices = (*before, (step, count))
        self.record(recorded(self._folder))
        if before:
            remark(f"Threads from step {step} on: {count}.")


def _worthwhile(rehearse: Callable[[], object], most: int) -> int:
    """One thread, doubled for as long as that pays."""
    count = 1
    while 2 * count <= most and _pays(rehearse, count, 2 * count, times=_PAYS):
        count *= 2
    return count


def _pays(rehearse: Callable[[], object], few: int, many: int, *, times: float) -> bool:
    """Whether the slowest try with many threads is so much quicker than any with few."""
    best = min(_tries(rehearse, few))
    return all(taken * times < best for taken in _tries(rehearse, many))


def _tries(rehearse: Callable[[], object], count: int) -> Iterator[float]:
    """How long a step takes with so many threads, each time [s]; the first warms up."""
    torch.set_num_threads(count)
    rehearse()
    for _ in range(_TRIES):
        before = time.perf_counter()
        rehearse()
        yield time.perf_counter() - before
