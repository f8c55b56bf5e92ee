"""Exceptions of robomtl."""

from collections.abc import Callable, Sequence
from pathlib import Path

from robomtl.mismatch import Mismatch

_MOST = 8  # Most differing settings that a message lists.


class InputError(ValueError):
    """A mistake of the user; the message says what was given and what is allowed.

    The command line shows the message alone. Any other ``ValueError`` is a bug of robomtl
    or of a plug-in, and is shown with its traceback. Plug-ins may raise ``InputError``.
    """


class OtherRequestError(InputError):
    """A folder was begun with other settings.

    Args:
        folder: Folder of the run or the experiment.
        differing: Settings that differ, under the names that the folder records.
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
        """The message, with settings under their recorded names."""
        return self.message()

    def message(self, spelled: Callable[[str], str] = str) -> str:
        """A message with the folder, the first differing settings, and remedies.

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
    """A training method, or the policy that it trained, cannot continue.

    An experiment records this error as an outcome of the method; any other error is a
    fault of the machine or of the request.
    """


class DiskFullError(InputError, OSError):
    """A file could not be written: a disk, a quota or a limit on file sizes is reached."""


class LostProcessError(InputError):
    """A process of a multi-process training has ended before the others."""


class StartError(InputError):
    """No worker process starts, most often because it cannot load its work."""


class MissingExtraError(ImportError):
    """An optional package is not installed; the message says how to install it.

    Any other ``ImportError`` is a bug.
    """


class PlugInError(RuntimeError):
    """Code of a plug-in failed; the message names the plug-in and its exception."""


class EpisodesError(RuntimeError):
    """Most episodes ended in errors of the simulator or the expert."""


class SimulationError(RuntimeError):
    """A simulator became unstable; the episode has no outcome.

    Args:
        task: Name of the task.
        variation: Variation of the episode.
        step: Step of the episode at which the error occurred.
        reason: Error that the simulator reported.
    """

    def __init__(self, task: str, variation: int, step: int, reason: str) -> None:
        super().__init__(task, variation, step, reason)
        self.task = task
        self.variation = variation
        self.step = step
        self.reason = reason

    def __str__(self) -> str:
        """The task, variation, step and reason."""
        return (
            f"{self.task}, variation {self.variation}, step {self.step}: {self.reason}"
        )
