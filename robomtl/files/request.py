"""Requests recorded in output folders: the same one resumes, another one is refused."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robomtl.earlier import completed
from robomtl.errors import InputError, OtherRequestError
from robomtl.files.durable import write_json
from robomtl.files.lock import left_as_found
from robomtl.files.untrusted import read_json
from robomtl.mismatch import Mismatch

DEFINITION = "definition"
"""Request field with the suite's definition, see ``robomtl.task.definition_of``."""
SPLIT = "split"
"""Request field with the split of variations that is played."""
_LATER = (DEFINITION, SPLIT)
"""Fields that requests of earlier versions lack; those are compared without them."""
VERSIONS = "versions"
"""Field of a definition with the versions of the packages that simulate the suite.
Definitions of earlier versions lack it, and are compared without it."""


def plain(value: Any) -> Any:
    """A value as JSON types: dataclasses as dicts; paths, NaN and infinities as strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, Path) else value


def digest_of_value(value: Any) -> str:
    """Short SHA-256 hash of a value's JSON; 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(plain(value)).encode()).hexdigest()[:16]


def claim(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path] = ()
) -> None:
    """Writes the request of a folder, unless files were finished for another one.

    Args:
        path: JSON file of the request.
        request: Settings of the work in the folder.
        finished: Files that depend on the request; see ``check_claim``.

    Raises:
        InputError: See ``check_claim``.
    """
    check_claim(path, request, finished=finished)
    write_json(path, plain(request))


def check_claim(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path] = ()
) -> None:
    """Refuses a request if files in its folder were finished for another one.

    An earlier request without finished files is ignored: its own settings may have made it
    fail, and the corrected request may use the same folder.

    Args:
        path: JSON file of the earlier request, if there is one.
        request: Settings of the work in the folder.
        finished: Files that depend on the request; any of them may exist.

    Raises:
        InputError: If a file was finished for another request, see ``refuse_other``, or
            the JSON file of that request is missing or damaged.
    """
    existing = [each for each in finished if each.exists()]
    if not existing:
        return
    if not path.exists():
        raise InputError(
            f"{path} is missing, which records the settings of {existing[0].name} beside"
            " it; restore it, or give another folder (--out)."
        )
    refuse_other(path.parent, read_json(path, dict[str, Any]), plain(request))


@contextmanager
def claimed(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path]
) -> Iterator[None]:
    """Claims a folder for the block; removes a new request file if the block refuses it.

    Args:
        path: JSON file of the request. Folders of earlier versions lack it, and accept the
            first request that the block does not refuse.
        request: Settings of the work in the folder.
        finished: Files that depend on the request; see ``check_claim``.

    Raises:
        InputError: See ``check_claim``.
    """
    first = not path.exists()
    with left_as_found(path.parent):
        claim(path, request, finished=() if first else finished)
        try:
            yield
        except (InputError, ImportError):
            if first:
                path.unlink(missing_ok=True)
            raise


def check_not_removed(path: Path) -> None:
    """Refuses to continue if the file that identifies the work was removed.

    Raises:
        InputError: If the file does not exist.
    """
    if not path.exists():
        raise InputError(
            f"{path} was removed while robomtl worked in its folder, so finished work can"
            " no longer be identified; run the same command to start again."
        )


def refuse_other(
    folder: Path, recorded: Mapping[str, Any], requested: Mapping[str, Any]
) -> None:
    """Refuses a request that differs from the one recorded in a folder.

    Args:
        folder: The folder, for the message.
        recorded: The request recorded in the folder, as plain data.
        requested: The new request, as plain data.

    Raises:
        OtherRequestError: If they differ.
    """
    differing = list(differences(recorded, _as_recorded(recorded, requested)))
    if differing:
        raise OtherRequestError(folder, differing)


def _as_recorded(
    recorded: Mapping[str, Any], requested: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The new request without fields that the version of the recorded one lacks."""
    missing = [name for name in _LATER if name not in recorded]
    requested = {n: value for n, value in requested.items() if n not in missing}
    earlier, new = recorded.get(DEFINITION), requested.get(DEFINITION)
    if (
        isinstance(earlier, Mapping)
        and isinstance(new, Mapping)
        and VERSIONS not in earlier
    ):
        kept = {name: value for name, value in new.items() if name != VERSIONS}
        return {**requested, DEFINITION: kept}
    return requested


def differences(recorded: Any, requested: Any, *, name: str = "") -> Iterator[Mismatch]:
    """The fields in which two plain values differ.

    Args:
        recorded: Earlier value, whose fields may have names of earlier versions; a missing
            field equals None.
        requested: New value.
        name: Name of both values, with dots between its parts; empty for the outermost.
    """
    if isinstance(recorded, Mapping) and isinstance(requested, Mapping):
        left_open = [key for key, value in requested.items() if value is None]
        recorded = completed(recorded, requested, left_open=left_open)
        for key in [*recorded, *(key for key in requested if key not in recorded)]:
            inner = f"{name}.{key}" if name else key
            pair = recorded.get(key), requested.get(key)
            yield from differences(*pair, name=inner)
    elif recorded != requested:
        yield Mismatch(name, recorded, requested)
