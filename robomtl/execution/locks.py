"""Locks for the state of torch that all threads of a process share.

Torch has one generator and one number of threads for a whole process. Trainings in two
threads would draw from one stream of random numbers, and no seed would reproduce them.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from robomtl.progress import remark

GENERATOR = threading.RLock()
"""Lock on torch's random generator; held during each training step and each prediction of
a policy, and during a whole adaptation."""

_TRAINING = threading.RLock()


@contextmanager
def training_alone() -> Iterator[None]:
    """Keeps other threads of this process from training or adapting during the block."""
    if not _TRAINING.acquire(blocking=False):
        remark(
            "Waiting for a training in another thread, as threads share torch's random"
            " numbers; give trainings that run at the same time a process each."
        )
        _TRAINING.acquire()
    try:
        yield
    finally:
        _TRAINING.release()
