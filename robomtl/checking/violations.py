"""Problems that checks find, each a sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass
from typing import Any

from robomtl.errors import (
    InputError,
    MissingExtraError,
    PlugInError,
    SimulationError,
)
from robomtl.plug_in import described, exit_described

Check = Callable[..., Iterator[str]]

OWN = (InputError, MissingExtraError, PlugInError, SimulationError)
"""Errors whose message says by itself what is wrong, and where."""


class HangError(InputError):
    """A call of a plug-in did not return in time; what follows would hang as well."""


@dataclass(frozen=True)
class Problem:
    """One way in which a suite or a policy breaks its contract."""

    task: str
    """Name of the task or the policy; empty where the suite itself is at fault."""
    sentence: str
    """What is wrong, and what is expected."""

    def __str__(self) -> str:
        """The sentence, headed by the task."""
        return f"{self.task}: {self.sentence}" if self.task else self.sentence


def sentences(checks: Sequence[Check], *subject: Any) -> Iterator[str]:
    """The findings of checks; an exception that one met is one more finding.

    Args:
        checks: Generators of sentences.
        *subject: Their arguments.
    """
    for part in checks:
        try:
            with chdir("."):  # Envs may leave this process in another folder.
                yield from part(*subject)
        except HangError as error:
            yield str(error)
            return
        except OWN as error:
            yield str(error)
        except SystemExit as error:
            yield exit_described(error)
        except Exception as error:  # Plug-ins raise anything; the rest is checked.
            what = part.__name__.strip("_").replace("_", " ")
            yield f"The check '{what}' met a {described(error)}."
