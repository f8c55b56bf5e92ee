"""Errors that others tell apart by their kind."""

from collections.abc import Callable, Sequence
from pathlib import Path

from robomtl.mismatch import Mismatch

_MOST = 8  # Differing settings that a message lists.


class InputError(ValueError):
    """A mistake of the user; the message says what was given and what is allowed.

    The command line shows the message alone. Any other ``ValueError`` is a bug of robomtl
    or of a plug-in, and is shown with its traceback. Plug-ins may raise it too.
    """


class OtherRequestError(InputError):
    """A folder was begun with other settings.

    Args:
        folder: The folder.
        differing: The settings that differ, by the names that the folder records.
        hints: Sentences that follow the message.
    """

    def __init__(
        self, folder: Path, differing: Sequence[Mismatch], hints: Sequence[str] = ()
    ) -> None:
        super().__init__(folder, differing, hints)
        self.folder = folder
        self.differing = differing
        self.hints = hints

    def __str__(self) -> str:
        """The message, with settings as they are recorded."""
        return self.message()

    def message(self, spelled: Callable[[str], str] = str) -> str:
        """The folder, the settings that differ, if not all, and what can be done.

        Args:
            spelled: See ``Mismatch.phrase``.
        """
        listed = [each.phrase(spelled=spelled) for each in self.differing]
        more = len(listed) - _MOST
        if more > 1:
            listed[_MOST:] = [f"and {more} further settings"]
        said = (
            f"{self.folder} was begun with other settings; nothing in it was changed."
            f" Differing: {'; '.join(listed)}. Give the same settings to resume, or"
            " another folder (--out)."
        )
        return " ".join([said, *self.hints])

    def followed_by(self, hint: str) -> "OtherRequestError":
        """The same error with a further sentence."""
        return OtherRequestError(self.folder, self.differing, [*self.hints, hint])


class GaveUpError(InputError):
    """A method of learning, or the policy it made, cannot go on.

    In an experiment it is an outcome, while any other error is a fault of the machine or
    of the request.
    """


class DiskFullError(InputError, OSError):
    """A file could not be written: a disk, a quota or a limit on file sizes is reached."""


class LostProcessError(InputError):
    """A process that shares a training has ended before the others."""


class StartError(InputError):
    """No worker starts, most often because it cannot load what it works with."""


class MissingExtraError(ImportError):
    """An optional package is not installed; the message says how to install it.

    Any other ``ImportError`` is a bug.
    """


class PlugInError(RuntimeError):
    """Code of a plug-in cannot be used; the message names it and its exception."""


class EpisodesError(RuntimeError):
    """Most episodes ended in errors of the simulator or the expert."""


class SimulationError(RuntimeError):
    """A simulator went unstable; the episode has no outcome.

    Args:
        task: Task that was simulated.
        variation: Its variation.
        step: Step of the episode at which it happened.
        reason: What the simulator reported.
    """

    def __init__(self, task: str, variation: int, step: int, reason: str) -> None:
        super().__init__(task, variation, step, reason)
        self.task = task
        self.variation = variation
        self.step = step
        self.reason = reason

    def __str__(self) -> str:
        """Where it happened and why."""
        return (
            f"{self.task}, variation {self.variation}, step {self.step}: {self.reason}"
        )
