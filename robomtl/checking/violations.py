"""Problems found by checks, each a sentence."""

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
"""Errors whose message alone says what is wrong, and where."""


class HangError(InputError):
    """A call of a plug-in did not return in time; further checks would hang as well."""


@dataclass(frozen=True)
class Problem:
    """Violation of its contract by a suite or a policy."""

    task: str
    """Name of the task or the policy; empty for a problem of the suite itself."""
    sentence: str
    """Sentence that says what is wrong and what is expected."""

    def __str__(self) -> str:
        """The sentence, preceded by the name of the task."""
        return f"{self.task}: {self.sentence}" if self.task else self.sentence


def sentences(checks: Sequence[Check], *subject: Any) -> Iterator[str]:
    """Yields the findings of checks; an exception in a check is a finding as well.

    Args:
        checks: Generators of sentences.
        *subject: Arguments of each check.
    """
    for check in checks:
        try:
            with chdir("."):  # Envs may change the working directory.
                yield from check(*subject)
        except HangError as error:
            yield str(error)
            return
        except OWN as error:
            yield str(error)
        except SystemExit as error:
            yield exit_described(error)
        except Exception as error:  # Plug-ins may raise anything; other checks follow.
            what = check.__name__.strip("_").replace("_", " ")
            yield f"The check '{what}' met a {described(error)}."
