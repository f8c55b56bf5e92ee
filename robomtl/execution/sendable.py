"""Check that a value can be pickled for workers; names the part that cannot."""

import dataclasses
import functools
import sys
from collections.abc import Iterator, Mapping
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from textwrap import shorten
from types import FunctionType, MethodType
from typing import Any

from robomtl.errors import StartError

_DEPTH = 8  # For example: work, suite, mapping, partial, env maker.
_CURE = (
    "Define it with 'def' or 'class' at the top of a module or script, outside functions"
    " and the guard; functools.partial fixes its arguments."
)
_NO_FILE = (
    "this program has no file (standard input, -c or a notebook), so workers cannot"
    " import it. Write the definition to a file and import it from there."
)


def main_file() -> str | None:
    """File or module that workers import as ``__main__``; None if there is none."""
    main = sys.modules["__main__"]
    if (spec := getattr(main, "__spec__", None)) is not None:
        return str(spec.name)
    file = getattr(main, "__file__", None)
    return file if file is not None and Path(file).exists() else None


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields (path within the value, part) for the direct parts of a value."""
    if isinstance(value, functools.partial):
        yield "", value.func
        yield from (
            (f" argument {index}", it) for index, it in enumerate(value.args, start=1)
        )
        yield from ((f" argument {name}", it) for name, it in value.keywords.items())
    elif isinstance(value, MethodType):
        yield "", value.__self__
    elif isinstance(value, Mapping):
        yield from ((f"[{key!r}]", it) for key, it in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{index}]", it) for index, it in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        yield from ((f".{each.name}", getattr(value, each.name)) for each in fields)
    elif hasattr(value, "__dict__") and not isinstance(value, type | FunctionType):
        yield from ((f".{name}", it) for name, it in vars(value).items())


def _fault(value: Any) -> str | None:
    """Reason why a value cannot be pickled; None if it can."""
    try:
        ForkingPickler.dumps(value)
    except Exception as error:  # Plug-ins define how they are pickled.
        return f"{type(error).__name__}: {error}"
    return None


def _culprit(value: Any, path: str, depth: int) -> tuple[str, Any]:
    """Path and value of the innermost part that cannot be pickled."""
    if depth:
        for name, part in _parts(value):
            if _fault(part) is not None:
                return _culprit(part, path + name, depth - 1)
    return path, value


def _of_main(value: Any, path: str, depth: int) -> tuple[str, Any] | None:
    """Path and definition of the first part that ``__main__`` defines; None if none is."""
    definition = value if isinstance(value, type | FunctionType) else type(value)
    if definition.__module__ == "__main__":
        return path, definition
    if not depth:
        return None
    found = (_of_main(part, path + name, depth - 1) for name, part in _parts(value))
    return next((each for each in found if each is not None), None)


def check_sendable(value: Any) -> None:
    """Refuses a value that workers cannot receive, naming the part at fault.

    Args:
        value: Work function or agent, including its suite.

    Raises:
        StartError: If a part cannot be pickled, or is defined where workers cannot
            import it.
    """
    name = type(value).__name__
    fault = _fault(value)
    if fault is not None:
        path, part = _culprit(value, name, _DEPTH)
        raise StartError(
            f"Worker processes cannot receive {path.replace('._', '.')}, which is"
            f" {shorten(repr(part), 80)} ({_fault(part)}). {_CURE}"
        )
    if main_file() is None and (found := _of_main(value, name, _DEPTH)):
        path, part = found
        raise StartError(
            f"Worker processes cannot receive {path.replace('._', '.')}: it is"
            f" '{part.__qualname__}', and {_NO_FILE}"
        )
