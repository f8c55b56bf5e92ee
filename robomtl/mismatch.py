"""Settings that differ between two records, and their description in messages."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

_HASH, _DIGITS = re.compile(r"\b[0-9a-f]{64}\b"), 12


class Mismatch(NamedTuple):
    """A setting, or another named value, that differs between two records."""

    name: str
    """Name as recorded, with dots between nested names."""
    recorded: Any
    """Plain value in one record, such as the record of a folder."""
    current: Any
    """Plain value in the other record, such as the current request."""
    of: str = ""
    """Name of the item, such as a cell, that has the setting; empty for the whole record."""

    def phrase(
        self,
        sides: tuple[str, str] = ("in the folder", "now"),
        *,
        spelled: Callable[[str], str] = str,
    ) -> str:
        """A clause with the name and both values; hashes are shortened.

        Args:
            sides: Words for the records of ``recorded`` and ``current``.
            spelled: Function that translates the recorded name for the reader.
        """
        recorded, current = _shown(self.recorded), _shown(self.current)
        name = spelled(self.name) + (f" of {self.of}" if self.of else "")
        return f"{name} is {recorded} {sides[0]} and {current} {sides[1]}"


def _shown(value: Any) -> str:
    return _HASH.sub(lambda found: found[0][:_DIGITS], repr(value))
