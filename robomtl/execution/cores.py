"""Number of cores of this machine, and a bound on the number of processes.

Separate from ``robomtl.execution.machine``, so that starting processes does not import torch.
"""

import os
import sys

from robomtl.errors import InputError


def cores() -> int:
    """Number of cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_room(name: str, processes: int) -> None:
    """Refuses more processes on this machine than its memory is likely to hold.

    Each process imports torch, which needs a third of a gigabyte: hundreds fill the memory
    until the machine no longer responds.

    Args:
        name: Name of the setting, for the message.
        processes: Number of processes.

    Raises:
        InputError: If there are more than 16 and more than eight per core.
    """
    most = max(16, 8 * cores())
    if processes > most:
        raise InputError(
            f"{name} is {processes}, which needs more memory than this machine with"
            f" {cores()} cores is likely to have; give at most {most}."
        )
