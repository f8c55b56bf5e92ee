"""What a folder was asked to hold, so that asking again resumes and never overwrites."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robomtl.durable import write_json
from robomtl.errors import InputError
from robomtl.untrusted import read_json

DEFINITION = "definition"
"""Field of requests that says what a suite is made of, see ``robomtl.definition``; one
that lacks it was made before there was the field, and is compared without."""


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


def claim(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path] = ()
) -> None:
    """Writes down a request, unless something was finished for another one.

    Args:
        path: JSON file of the request.
        request: What the folder is to hold.
        finished: Files that depend on the request; see ``check_claim``.

    Raises:
        ValueError: See ``check_claim``.
    """
    check_claim(path, request, finished=finished)
    write_json(path, plain(request))


def check_claim(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path] = ()
) -> None:
    """Refuses a request where something was finished for another one.

    A request for which nothing was finished binds nobody: what it asked for may be what
    stopped it, and the corrected one shall run in the same folder.

    Args:
        path: JSON file of the request that was written down before, if any.
        request: What the folder is to hold.
        finished: Files that depend on the request, of which any may exist.

    Raises:
        InputError: If something was finished for another request, see ``refuse_other``,
            or the file of that request is missing or damaged.
    """
    there = [each for each in finished if each.exists()]
    if not there:
        return
    if not path.exists():
        raise InputError(
            f"{path} is missing, which says what {there[0].name} beside it was made for;"
            " put it back, or give another folder (--out)."
        )
    refuse_other(path.parent, read_json(path, dict[str, Any]), plain(request))


@contextmanager
def claimed(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path]
) -> Iterator[None]:
    """Claims a folder for a block; a first request that the block refuses is withdrawn.

    Args:
        path: JSON file of the request. A folder without it was begun before requests
            were written there: it takes the first one that its parts do not refuse.
        request: What the folder is to hold.
        finished: Files that depend on the request; see ``check_claim``.

    Raises:
        InputError: See ``check_claim``.
    """
    first = not path.exists()
    claim(path, request, finished=() if first else finished)
    try:
        yield
    except (InputError, ImportError):
        if first:
            path.unlink(missing_ok=True)
        raise


def check_there(path: Path) -> None:
    """Makes sure that a file which was written at the beginning is still there.

    Raises:
        InputError: If it was removed while work went on in its folder.
    """
    if not path.exists():
        raise InputError(
            f"{path} was removed while work went on in its folder, and what is finished"
            " could not be told from other work; give the same command to begin anew."
        )


def refuse_other(
    folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]
) -> None:
    """Does nothing if the request found in a folder is the one made now.

    Args:
        folder: The folder, for the message.
        there: The request found there, plain.
        here: The request made now, plain.

    Raises:
        InputError: If they differ; the message lists the fields.
    """
    if DEFINITION not in there:
        here = {name: value for name, value in here.items() if name != DEFINITION}
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
