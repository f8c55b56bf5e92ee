"""Translation of settings in a folder's record to the flags that set them."""

import re
from collections.abc import Callable, Collection
from typing import Any

from tyro.extras import get_parser

_SPELLED = {"policy_config": "architecture", "objective_config": "meta"}
"""Spellings in flags of components of recorded names."""
_AROUND = ("definition", "options", "request", "suite_options", "training")
"""First components of recorded names that flags may omit."""

_OF_LABEL = re.compile(r"(?:arms|methods)\.([^.]+\..+)")
"""Recorded settings of arms or methods by label, which share the flag --settings."""


def by_flag(flags: Any) -> Callable[[str], str]:
    """A function from the recorded name of a setting to its flag, if the verb has one.

    The recorded name follows in brackets if it differs from the flag's name.

    Args:
        flags: Dataclass of the verb's flags.
    """
    known = _known(flags)

    def spelled(name: str) -> str:
        flag = flag_of(name, known)
        if flag is None:
            return name
        return flag if flag == f"--{_dashed(name)}" else f"{flag} ({name})"

    return spelled


def flag_of(name: str, known: Collection[str]) -> str | None:
    """The flag that sets a recorded setting or a prefix of its name; None without one.

    Args:
        name: Recorded name, with dots between nested names.
        known: Flags of the verb.
    """
    label = _OF_LABEL.fullmatch(name)
    if label and "--settings" in known:
        return f"--settings {label[1]}"
    parts = [_SPELLED.get(part, part) for part in name.split(".")]
    inner = parts[1:] if parts[0] in _AROUND else []
    outer = [parts[:number] for number in range(len(parts) - 1, 0, -1)]
    flags = [f"--{_dashed('.'.join(each))}" for each in (parts, inner, *outer)]
    return next((flag for flag in flags if flag in known), None)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _known(flags: Any) -> set[str]:
    parser = get_parser(type(flags), default=flags)
    return {flag for action in parser._actions for flag in action.option_strings}
