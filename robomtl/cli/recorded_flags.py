"""Settings of a folder's record, as the flags of the verb that set them."""

import re
from collections.abc import Callable, Collection
from typing import Any

from tyro.extras import get_parser

_SPELLED = {"policy_config": "architecture", "objective_config": "meta"}
"""Parts of recorded names that flags spell otherwise."""
_AROUND = ("definition", "options", "request", "suite_options", "training")
"""Parts of records whose settings a verb may have as flags of its own."""

_OF_LABEL = re.compile(r"(?:arms|methods)\.([^.]+\..+)")
"""Settings of what an experiment compares, which have one flag for all labels."""


def by_flag(flags: Any) -> Callable[[str], str]:
    """A function that spells a recorded setting as its flag, if the verb has one.

    The recorded name follows in brackets where the flag is another one.

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
    """The flag that sets a recorded setting, or a part of the record around it.

    Args:
        name: As recorded, with dots between its parts.
        known: Flags of the verb.
    """
    label = _OF_LABEL.fullmatch(name)
    if label and "--settings" in known:
        return f"--settings {label[1]}"
    parts = [_SPELLED.get(part, part) for part in name.split(".")]
    inner = parts[1:] if parts[0] in _AROUND else []
    outer = [parts[:number] for number in range(len(parts) - 1, 0, -1)]
    flags = [f"--{_dashed('.'.join(way))}" for way in (parts, inner, *outer)]
    return next((flag for flag in flags if flag in known), None)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _known(flags: Any) -> set[str]:
    parser = get_parser(type(flags), default=flags)
    return {flag for action in parser._actions for flag in action.option_strings}
