"""What threads of a process share with torch, and so use one after another.

Torch has one generator and one number of threads for a whole process. Trainings in two
threads would draw each other's random numbers, and end with weights that no seed repeats.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from robomtl.progress import remark

GENERATOR = threading.RLock()
"""Held while torch's generator is seeded, drawn from or restored: for a step of a training or
of a policy that acts, and for the whole of an adaptation."""

_TRAINING = threading.RLock()


@contextmanager
def training_alone() -> Iterator[None]:
    """Lets no other thread of this process train or adapt during the block."""
    if not _TRAINING.acquire(blocking=False):
        remark(
            "Waiting for a training in another thread, as threads share torch's random"
            " numbers; trainings at one time take a process each."
        )
        _TRAINING.acquire()
    try:
        yield
    finally:
        _TRAINING.release()
