"""Writes a small installable package for a new suite, policy or adaptation method."""

import builtins
import keyword
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from robomtl.adaptation.method import METHODS
from robomtl.catalogue import Registry
from robomtl.errors import InputError
from robomtl.files.paths import located
from robomtl.nearest import check_known
from robomtl.policy import POLICIES
from robomtl.suites import SUITES

Kind = Literal["suite", "policy", "method"]
"""Kind of plug-in."""

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Registry and example commands of one kind of package."""

    registry: Registry[Any]
    commands: tuple[str, ...]
    """Commands that use the installed package, for its README."""


_PLANS: Mapping[str, _Plan] = {
    "suite": _Plan(
        registry=SUITES,
        commands=(
            "robomtl check {name}",
            "robomtl collect {name} --episodes 20 --out data/{name}",
            "robomtl train --data data/{name} --conditioning one_hot --out runs/{name}",
            "robomtl evaluate runs/{name}",
        ),
    ),
    "policy": _Plan(
        registry=POLICIES,
        commands=(
            "robomtl collect metaworld/MT10 --episodes 20 --out data/mt10",
            "robomtl train --data data/mt10 --policy {name} --out runs/{name}",
            "robomtl evaluate runs/{name}",
        ),
    ),
    "method": _Plan(
        registry=METHODS,
        commands=(
            "robomtl collect metaworld/ML10 --goals observable --out runs/ml10/demonstrations",
            "robomtl train --data runs/ml10/demonstrations --out runs/ml10/cloning/seed-0",
            "robomtl adapt runs/ml10 --methods scratch finetune {name} --shots 1 5",
        ),
    ),
}


def new_package(kind: str, name: str, *, out: Path | str | None = None) -> Path:
    """Writes a package with a module, its tests and an entry point; returns its folder.

    Args:
        kind: ``suite``, ``policy`` or ``method``.
        name: Name under which the plug-in is registered, such as ``my_suite``.
        out: Folder of the package, which must not exist; by default a folder of this name
            in the working directory.

    Raises:
        InputError: If the kind is unknown, the name is invalid or taken, or the folder
            exists.
    """
    check_known("kind of package", kind, _PLANS)
    plan = _PLANS[kind]
    _check_name(plan.registry, name)
    folder = located(out if out is not None else name)
    if folder.exists():
        raise InputError(f"{folder} exists already; name another folder by --out.")
    module = f"robomtl_{name}"
    title = name.title().replace("_", "")
    values = {
        "kind": kind,
        "name": name,
        "module": module,
        "distribution": module.replace("_", "-"),
        "group": plan.registry.group,
        "title": title,
        "attribute": "suite" if kind == "suite" else title,
        "commands": [command.format(name=name) for command in plan.commands],
    }
    _write(folder, _texts(kind, module, values))
    return folder


def _check_name(registry: Registry[Any], name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InputError(
            f"The name '{name}' is invalid; give lower-case letters, digits and single"
            f" underscores, at most {_LONGEST} characters, such as"
            f" '{_nearest(registry, name)}'."
        )
    if keyword.iskeyword(name) or hasattr(builtins, name.title().replace("_", "")):
        raise InputError(
            f"'{name}' is a reserved word or a built-in of Python; use"
            f" '{registry.kind}_{name}', for example."
        )
    if name in registry.names():
        raise InputError(
            f"The {registry.kind} '{name}' exists already; use 'my_{name}', for example."
        )


def _nearest(registry: Registry[Any], name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    near = re.sub(r"[^a-z0-9]+", "_", words).strip("_")[:_LONGEST].strip("_")
    return near if _NAME.fullmatch(near) else f"my_{near or registry.kind}"


def _texts(kind: str, module: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The contents of a package's files, by path."""
    made = Environment(
        loader=PackageLoader("robomtl.templates", ""),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    templates = {
        "pyproject.toml": "pyproject.toml.jinja",
        "README.md": "README.md.jinja",
        f"{module}.py": f"{kind}.py.jinja",
        f"tests/test_{module}.py": f"{kind}_tests.py.jinja",
    }
    return {
        path: made.get_template(name).render(values) for path, name in templates.items()
    }


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes files into a folder that appears only when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        for path, text in texts.items():
            file = Path(temporary) / "made" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        shutil.move(Path(temporary) / "made", folder)
