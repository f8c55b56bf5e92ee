"""Batches drawn one step ahead in a thread, if drawing takes a large fraction of a step.

A step's batch depends on the step alone, so that batches are the same without a thread.
Frames of vectors in memory are drawn in 2 to 4 % of a step, and need no thread.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from robomtl.execution.cores import cores
from robomtl.training.config import TrainConfig
from robomtl.training.learner import Learner
from robomtl.training.objective import Draws

_PAYS = 0.1  # Fraction of a step from which drawing is worth a thread.
_TRIES = 3
_FEW = 100  # Steps below which the measurement takes longer than a thread can save.


class Prefetched:
    """Draws the next batch in a thread during the step on the current one.

    Args:
        draws: Draws of the batches; they must not change while this is in use.
        last: Number of steps of the run.
    """

    def __init__(self, draws: Draws, last: int) -> None:
        self._draws, self._last = draws, last
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._ahead: dict[tuple[int, int], Future[Any]] = {}

    def batch(self, step: int, size: int) -> Any:
        """The batch of a step; see ``Draws``."""
        ready = self._ahead.pop((step, size), None)
        batch = self._draws.batch(step, size) if ready is None else ready.result()
        if step + 1 < self._last:
            threads = torch.get_num_threads()
            drawing = self._thread.submit(self._draw, step + 1, size, threads)
            self._ahead = {(step + 1, size): drawing}
        return batch

    def close(self) -> None:
        """Ends the thread, after the batch that is being drawn."""
        self._thread.shutdown(cancel_futures=True)

    def _draw(self, step: int, size: int, threads: int) -> Any:
        if torch.get_num_threads() != threads:  # Each thread has its own number.
            torch.set_num_threads(threads)
        return self._draws.batch(step, size)


@contextmanager
def prefetched(draws: Draws, learner: Learner, config: TrainConfig) -> Iterator[Draws]:
    """The draws of a run, one step ahead if the config says so or if that is faster.

    Args:
        draws: Draws of the batches.
        learner: Learner that takes the steps, from its current one on.
        config: Settings of the run.
    """
    if not _is_worthwhile(draws, learner, config):
        yield draws
        return
    ahead = Prefetched(draws, config.steps)
    try:
        yield ahead
    finally:
        ahead.close()


def _is_worthwhile(draws: Draws, learner: Learner, config: TrainConfig) -> bool:
    if config.sampling == "validation_loss":  # Validation changes the next batch.
        return False
    if config.prefetch != "auto":
        return config.prefetch == "on"
    if config.steps - learner.step < _FEW or torch.get_num_threads() >= cores():
        return False
    size = config.batch_size
    batch = draws.batch(learner.step, size)
    step = _fastest(lambda: learner.rehearse(batch))
    return _fastest(lambda: draws.batch(learner.step, size)) > _PAYS * step


def _fastest(action: Callable[[], object]) -> float:
    """Shortest duration of a few tries [s]."""
    durations = []
    for _ in range(_TRIES):
        before = time.perf_counter()
        action()
        durations.append(time.perf_counter() - before)
    return min(durations)
