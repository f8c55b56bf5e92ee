"""Errors that others tell apart by their kind."""

from collections.abc import Sequence


class InputError(ValueError):
    """A mistake of the user; the message says what was given and what is allowed.

    The command line shows the message alone. Any other ``ValueError`` is a bug of robomtl
    or of a plug-in, and is shown with its traceback. Plug-ins may raise it too.
    """


class OtherRequestError(InputError):
    """A folder was begun with other settings.

    Args:
        message: As of every error; says of each of these settings what it is.
        settings: Names of those that differ, as the folder records them.
    """

    def __init__(self, message: str, *, settings: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.settings = settings

    def followed_by(self, hint: str) -> "OtherRequestError":
        """The same error with a further sentence."""
        return OtherRequestError(f"{self} {hint}", settings=self.settings)


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
