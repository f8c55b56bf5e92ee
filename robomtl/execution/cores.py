"""The cores of this machine, and how many processes it has room for.

Apart from ``robomtl.execution.machine``, so that starting processes does not import torch.
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

    Each of them imports torch, which takes a third of a gigabyte: hundreds fill the memory
    until nothing on the machine answers.

    Args:
        name: Of the setting, for the message.
        processes: Number of them.

    Raises:
        InputError: If there are more than eight for each core, and more than 16.
    """
    most = max(16, 8 * cores())
    if processes > most:
        raise InputError(
            f"{name} is {processes}, which takes more memory than this machine with"
            f" {cores()} cores is likely to have; give at most {most}."
        )
