"""A setting with two values, and the phrase that says so."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

_HASH, _DIGITS = re.compile(r"\b[0-9a-f]{64}\b"), 12


class Mismatch(NamedTuple):
    """A setting, or another named value, that differs between two places."""

    name: str
    """As it was recorded, with dots between its parts."""
    there: Any
    """The plain value in one place, such as the record of a folder."""
    here: Any
    """The plain value in the other."""
    of: str = ""
    """Name of the one part, such as a cell, that the setting is of; empty for the whole."""

    def phrase(
        self,
        sides: tuple[str, str] = ("there", "here"),
        *,
        spelled: Callable[[str], str] = str,
    ) -> str:
        """The name with both values, hashes by their first digits.

        Args:
            sides: Where each value is, in words.
            spelled: Makes of the recorded name the one that the reader knows.
        """
        there, here = _shown(self.there), _shown(self.here)
        name = spelled(self.name) + (f" of {self.of}" if self.of else "")
        return f"{name} is {there} {sides[0]} and {here} {sides[1]}"


def _shown(value: Any) -> str:
    return _HASH.sub(lambda found: found[0][:_DIGITS], repr(value))
