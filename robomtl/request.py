"""What a folder was asked to hold, so that asking again resumes and never overwrites."""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robomtl.durable import read_json, write_json
from robomtl.errors import InputError


def plain(value: Any) -> Any:
    """The value as JSON can hold it: dataclasses as dicts, infinities as words."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


def claim(path: Path, request: Mapping[str, Any]) -> None:
    """Writes down a request, or checks that it is the one written down before.

    Args:
        path: JSON file of the request.
        request: What the folder is to hold.

    Raises:
        ValueError: If another request was made there, see ``refuse_other``, or the file
            is damaged.
    """
    asked = plain(request)
    if path.exists():
        refuse_other(path.parent, read_json(path), asked)
    else:
        write_json(path, asked)


def refuse_other(folder: Path, there: Any, here: Any) -> None:
    """Does nothing if the request found in a folder is the one made now.

    Args:
        folder: The folder, for the message.
        there: The request found there, plain.
        here: The request made now, plain.

    Raises:
        ValueError: If they differ; the message lists the fields.
    """
    differing = list(differences(there, here))
    if differing:
        raise InputError(
            f"{folder} was begun with other settings; nothing in it was changed."
            f" Differing: {'; '.join(differing)}. Give the same settings to resume, or"
            " another folder (--out)."
        )


def differences(
    there: Any,
    here: Any,
    *,
    sides: tuple[str, str] = ("there", "here"),
    name: str = "",
) -> Iterator[str]:
    """Phrases on the fields in which two plain values differ.

    Args:
        there: A value; what it lacks counts as None.
        here: The other.
        sides: Where each of them is, in the phrases.
        name: Of the values themselves, empty for the outermost.
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in [*there, *(key for key in here if key not in there)]:
            inner = f"{name}.{key}" if name else key
            pair = there.get(key), here.get(key)
            yield from differences(*pair, sides=sides, name=inner)
    elif there != here:
        yield f"{name} is {there!r} {sides[0]} and {here!r} {sides[1]}"
