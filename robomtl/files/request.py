"""The request of a folder: the same one resumes its work, another one is refused."""

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
"""Field of requests with a suite's definition, see ``robomtl.task.definition_of``."""
SPLIT = "split"
"""Field of requests with the split of variations that is played."""
_LATER = (DEFINITION, SPLIT)
"""Fields that some requests of earlier versions lack; these are compared without them."""
VERSIONS = "versions"
"""Field of a definition with the versions of packages that simulate the suite. Definitions
without it were made before it was recorded, and are compared without it."""


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


def digest_of_value(value: Any) -> str:
    """A short hash of a value, as JSON holds it; 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(plain(value)).encode()).hexdigest()[:16]


def claim(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path] = ()
) -> None:
    """Writes a request, unless something was finished for another one.

    Args:
        path: JSON file of the request.
        request: Settings of the work in the folder.
        finished: Files that depend on the request; see ``check_claim``.

    Raises:
        ValueError: See ``check_claim``.
    """
    check_claim(path, request, finished=finished)
    write_json(path, plain(request))


def check_claim(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path] = ()
) -> None:
    """Refuses a request if something was finished for another one.

    A request for which nothing was finished does not bind: it may have failed by its own
    settings, and the corrected one may use the same folder.

    Args:
        path: JSON file of the request that was written before, if any.
        request: Settings of the work in the folder.
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
            f"{path} is missing, which has the settings of {there[0].name} beside it; put"
            " it back, or give another folder (--out)."
        )
    refuse_other(path.parent, read_json(path, dict[str, Any]), plain(request))


@contextmanager
def claimed(
    path: Path, request: Mapping[str, Any], *, finished: Iterable[Path]
) -> Iterator[None]:
    """Claims a folder for a block; withdraws a first request that the block refuses.

    Args:
        path: JSON file of the request. Folders of earlier versions lack it, and take the
            first request that their parts do not refuse.
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


def check_there(path: Path) -> None:
    """Refuses to go on if a file that was written at the beginning is missing.

    Raises:
        InputError: If it was removed while robomtl worked in its folder.
    """
    if not path.exists():
        raise InputError(
            f"{path} was removed while robomtl worked in its folder, so that finished work"
            " could no longer be identified; give the same command to begin anew."
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
        OtherRequestError: If they differ.
    """
    differing = list(differences(there, _as_recorded(there, here)))
    if differing:
        raise OtherRequestError(folder, differing)


def _as_recorded(
    there: Mapping[str, Any], here: Mapping[str, Any]
) -> Mapping[str, Any]:
    """The request made now without what requests of earlier versions did not record."""
    missing = [name for name in _LATER if name not in there]
    here = {name: value for name, value in here.items() if name not in missing}
    one, other = there.get(DEFINITION), here.get(DEFINITION)
    if isinstance(one, Mapping) and isinstance(other, Mapping) and VERSIONS not in one:
        kept = {name: value for name, value in other.items() if name != VERSIONS}
        return {**here, DEFINITION: kept}
    return here


def differences(there: Any, here: Any, *, name: str = "") -> Iterator[Mismatch]:
    """The fields in which two plain values differ.

    Args:
        there: A value, whose settings may have earlier names; what it lacks counts as
            None.
        here: The other.
        name: Of the values themselves, empty for the outermost.
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        left_open = [key for key, value in here.items() if value is None]
        there = completed(there, here, left_open=left_open)
        for key in [*there, *(key for key in here if key not in there)]:
            inner = f"{name}.{key}" if name else key
            pair = there.get(key), here.get(key)
            yield from differences(*pair, name=inner)
    elif there != here:
        yield Mismatch(name, there, here)
