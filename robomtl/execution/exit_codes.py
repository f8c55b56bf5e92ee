"""Exit codes of processes in words."""

from signal import Signals


def ended(code: int | None) -> str:
    """Verb phrase of how a process ended, such as ``was killed by SIGKILL``.

    Args:
        code: Exit code; a negative one is the number of the signal that killed the process,
            and None means that it was not seen to end, and is killed.
    """
    if code is None or code < 0:
        return f"was killed by {Signals(-(code or -9)).name}"
    return f"ended with exit code {code}"
