"""Checks of names against a list of known names, with a suggestion for unknown ones."""

import difflib
from collections.abc import Collection, Iterable

from robomtl.errors import InputError


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A message with the unknown name, the nearest known name, and all known names.

    Args:
        kind: Kind of the named object, such as ``policy``.
        name: Name as given.
        known: All valid names.
    """
    names = sorted(known)
    folded = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.4)
    hint = f" Did you mean '{folded[close[0]]}'?" if close else ""
    return f"Unknown {kind} '{name}'.{hint} Known: {', '.join(names) or 'none'}."


def check_known(kind: str, name: str, known: Collection[str]) -> None:
    """Refuses a name that is not known.

    Args:
        kind: Kind of the named object, such as ``policy``.
        name: Name as given.
        known: All valid names.

    Raises:
        InputError: If the name is not known; see ``unknown``.
    """
    if name not in known:
        raise InputError(unknown(kind, name, known))
