"""Checks of names, and the sentence that answers an unknown one."""

import difflib
from collections.abc import Collection, Iterable

from robomtl.errors import InputError


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """A message that says what was given, the nearest known name, and all known names.

    Args:
        kind: What the name was to name, such as ``policy``.
        name: The name as given.
        known: Every name that would have been right.
    """
    names = sorted(known)
    folded = {candidate.lower(): candidate for candidate in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.4)
    hint = f" Did you mean '{folded[close[0]]}'?" if close else ""
    return f"Unknown {kind} '{name}'.{hint} Known: {', '.join(names) or 'none'}."


def check_known(kind: str, name: str, known: Collection[str]) -> None:
    """Refuses a name that is not known.

    Args:
        kind: What the name is to name, such as ``policy``.
        name: The name as given.
        known: Every name that is right.

    Raises:
        InputError: If the name is not known; see ``unknown``.
    """
    if name not in known:
        raise InputError(unknown(kind, name, known))
