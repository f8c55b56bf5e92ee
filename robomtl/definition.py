"""Definitions of suites: a short text with a hash of the code, so that changes show.

The hash of a function or class covers its source without comments and docstrings (its
bytecode if there is no source), and the functions, classes and constants of its own module
that it uses. The text names the module and the arguments. Code of installed packages is
not hashed, since packages have versions.
"""

import ast
import functools
import hashlib
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

_PLAIN = (bool, int, float, str, bytes, type(None))


def _module(defined: Any) -> str:
    """Name of the module that defines a value; of a script, the name of its file."""
    name = str(getattr(defined, "__module__", None))
    if name in ("__main__", "__mp_main__"):
        file = getattr(sys.modules.get(name), "__file__", None) or name
        return Path(file).stem
    return name


@functools.cache
def installed(module: str) -> bool:
    """Whether a module belongs to an installed package rather than to the user's code."""
    top = module.partition(".")[0]
    if top == "robomtl" or top in sys.stdlib_module_names:
        return True
    if top in ("__main__", "__mp_main__"):
        return False
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    origin = Path((spec and spec.origin) or "")
    return bool({"site-packages", "dist-packages"} & {*origin.parts})


def _bare(tree: ast.AST) -> str:
    """The code without docstrings; parsing has dropped its comments."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1 and isinstance(body[0], ast.Expr):
            if isinstance(body[0].value, ast.Constant):
                del body[0]
    return ast.unparse(tree)


def _source(defined: type | FunctionType) -> str | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(defined)))
    except (OSError, TypeError, SyntaxError):  # Code from standard input, or a lambda.
        return None
    return _bare(tree)


def _code(code: CodeType) -> list[Any]:
    return [code.co_code.hex(), list(code.co_names), [*map(_constant, code.co_consts)]]


def _constant(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _code(value)
    # The order of a set differs from process to process.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _methods(defined: type) -> Iterator[FunctionType]:
    for value in vars(defined).values():
        value = value.fget if isinstance(value, property) else value
        value = getattr(value, "__func__", value)
        if isinstance(value, FunctionType):
            yield value


class _Digest:
    """A hash of values, in which each function or class counts once."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._seen: dict[int, Any] = {}  # Keeps objects alive, so that ids stay unique.

    def text(self) -> str:
        return self._hash.hexdigest()[:12]

    def take(self, value: Any) -> None:
        if isinstance(value, _PLAIN):
            self._add(f"{type(value).__name__} {value!r}")
        elif isinstance(value, np.ndarray | np.generic):
            self._add(f"{value.dtype} {value.shape}")
            self._hash.update(value.tobytes() if value.dtype != object else b"")
        elif id(value) in self._seen:
            return
        else:
            self._seen[id(value)] = value
            self._take_new(value)

    def _add(self, text: str) -> None:
        self._hash.update(f"{text}\n".encode())

    def _take_new(self, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, each in value.items():
                self._add(_short(key))
                self.take(each)
        elif isinstance(value, list | tuple):
            for each in value:
                self.take(each)
        elif isinstance(value, set | frozenset):
            self._add(repr(sorted(map(_short, value))))
        elif isinstance(value, functools.partial):
            self.take((value.func, value.args, value.keywords))
        elif isinstance(value, MethodType):
            self.take((value.__func__, value.__self__))
        elif isinstance(value, FunctionType):
            self._take_function(value)
        elif isinstance(value, type):
            self._take_class(value)
        else:
            self.take((type(value), getattr(value, "__dict__", {})))

    def _take_function(self, function: FunctionType) -> None:
        if installed(function.__module__):
            self._add(f"{function.__module__}.{function.__qualname__}")
            return
        source = _source(function)
        self._add(source if source is not None else repr(_code(function.__code__)))
        self.take((function.__defaults__, function.__kwdefaults__))
        self._take_used(function)

    def _take_class(self, defined: type) -> None:
        self._add(f"{_module(defined)}.{defined.__qualname__}")
        if installed(defined.__module__):
            return
        source = _source(defined)
        if source is not None:
            self._add(source)
        for method in _methods(defined):
            if source is None:
                self._add(repr(_code(method.__code__)))
            self._take_used(method)
        for base in defined.__bases__:
            if base.__module__ == defined.__module__:
                self.take(base)

    def _take_used(self, function: FunctionType) -> None:
        """Hashes what a function closes over, and what it uses from its own module."""
        used = (
            inspect.getclosurevars(function).nonlocals if function.__closure__ else {}
        )
        for name in sorted({*_names(function.__code__)} & {*function.__globals__}):
            value = function.__globals__[name]
            own = getattr(value, "__module__", None) == function.__module__
            if own and isinstance(value, FunctionType | type):
                used = {**used, name: value}
            elif isinstance(value, _PLAIN) and not name.startswith("__"):
                used = {**used, name: value}
        self.take(used)


def definition(value: Any) -> str:
    """Name and arguments of a callable, with a hash of its code.

    Args:
        value: A function, class, partial or callable object; a text is returned unchanged.
    """
    if isinstance(value, str):
        return value
    digest = _Digest()
    digest.take(value)
    return f"{_named(value)} (code {digest.text()})"


def _named(value: Any) -> str:
    if isinstance(value, functools.partial):
        return f"{_named(value.func)}({listed(value.args, value.keywords)})"
    if isinstance(value, type | FunctionType | MethodType):
        return f"{_module(value)}.{value.__qualname__}"
    held = listed((), getattr(value, "__dict__", {}))
    return f"an object of {_named(type(value))}" + (f" with {held}" if held else "")


def listed(values: Sequence[Any], named: Mapping[str, Any]) -> str:
    """Comma-separated arguments, shortened to 60 characters.

    Numbers and texts are shown by value, other objects by type, since their repr may
    contain an address.
    """
    shown = [_short(each) for each in values]
    shown += [f"{name}={_short(each)}" for name, each in named.items()]
    return textwrap.shorten(", ".join(shown), 60, placeholder=" ...")


def _short(value: Any) -> str:
    return repr(value) if isinstance(value, _PLAIN) else type(value).__name__
