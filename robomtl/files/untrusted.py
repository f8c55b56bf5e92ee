"""Reads files from untrusted sources: regular files of bounded size and declared type.

JSON is decoded to plain values, whose depth and integers are bounded, and then converted
to the type that the caller declares: a frozen dataclass, or a mapping. Unknown fields are
ignored, and fields with a default may be absent, so that files of other versions load.
Types are strict: integers become floats where those are declared, and nothing else is
converted.
"""

import stat
from codecs import BOM_UTF8
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from robomtl.errors import InputError

LIMIT = 16 * 2**20
"""Largest JSON document that is read [bytes]."""
_DEPTH = 64  # Levels of nested objects and lists; other code walks them recursively.
_LARGEST = 2**64  # Largest integer; seeds have 64 bits.

Form = TypeVar("Form")


def read_file(path: Path, *, limit: int) -> bytes:
    """The content of a regular file.

    Args:
        path: The file.
        limit: Largest size that is read [bytes].

    Raises:
        InputError: If the file is missing, unreadable, not regular, such as a folder or a
            pipe, or larger.
    """
    check_file(path, limit=limit)
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def check_file(path: Path, *, limit: int) -> None:
    """Refuses a path that is not a regular file of at most this size.

    Args:
        path: The file.
        limit: Size above which it is refused [bytes].

    Raises:
        InputError: If the file is missing, not regular, such as a folder or a pipe, or
            larger.
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a regular file; give one.")
    if status.st_size > limit:
        raise InputError(
            f"{path} has {status.st_size:,} bytes; at most {limit:,} are read."
        )


def read_json(path: Path, form: type[Form]) -> Form:
    """The content of a JSON file as a value of a type.

    Args:
        path: The file.
        form: The type.

    Raises:
        InputError: If ``read_file`` or ``parse_json`` raises it.
    """
    return parse_json(
        read_file(path, limit=LIMIT).removeprefix(BOM_UTF8), form, where=str(path)
    )


def parse_json(text: bytes | str, form: type[Form], *, where: str) -> Form:
    """The content of a JSON text as a value of a type.

    Args:
        text: The JSON.
        form: The type.
        where: Name of the text, for messages.

    Raises:
        InputError: If the text is not JSON, too large or nested too deeply, contains a
            number that is not finite or too large, or is of another type; the message
            names the field.
    """
    if len(text) > LIMIT:
        raise InputError(f"{where} has more than {LIMIT:,} bytes; no more are read.")
    try:
        value = msgspec.json.decode(text)
    except RecursionError as error:
        raise InputError(f"{where} is nested deeper than {_DEPTH} levels.") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise InputError(f"{where} is damaged or cut short: {error}.") from error
    _check_bounds(value, where)
    return converted(value, form, where=where)


def converted(value: Any, form: type[Form], *, where: str) -> Form:
    """A value of JSON types, converted to a declared type.

    Args:
        value: Dicts, lists, strings, numbers, booleans and None, nested.
        form: The type.
        where: Name of the value, for messages.

    Raises:
        InputError: If the value is of another type; the message names the field.
    """
    try:
        return msgspec.convert(value, form, strict=True)
    except msgspec.ValidationError as error:
        if isinstance(value, dict) and get_origin(form) in (dict, Mapping):
            for key, each in value.items():  # msgspec does not name the key.
                converted(each, get_args(form)[1], where=f"{where}, '{key}'")
        reason, _, field = str(error).replace("`", "").rpartition(" - at ")
        if not reason:
            reason, field = field, "$"
        raise InputError(
            f"{where} is damaged: {field}: {reason[:1].lower()}{reason[1:].rstrip('.')}."
        ) from error
    except UnicodeEncodeError as error:  # Lone surrogates, which JSON cannot contain.
        raise InputError(f"{where} is damaged: {error.reason}.") from error


def _check_bounds(value: Any, where: str) -> None:
    level = [value]
    for _ in range(_DEPTH + 1):
        level = [each for some in level for each in _parts(some, where)]
        if not level:
            return
    raise InputError(f"{where} is nested deeper than {_DEPTH} levels.")


def _parts(value: Any, where: str) -> list[Any]:
    """The direct elements of a value.

    Raises:
        InputError: If the value is too large an integer.
    """
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise InputError(f"{where} has the number {value}, beyond {_LARGEST}.")
    return value if isinstance(value, list) else []
