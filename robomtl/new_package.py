"""A small package for a suite, a policy or a method of one's own, ready to install."""

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

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What differs between the kinds of packages."""

    registry: Registry[Any]
    commands: tuple[str, ...]
    """What to do with it, once installed."""


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
    """The folder of a new package, with a module, its tests and an entry point.

    Args:
        kind: ``suite``, ``policy`` or ``method``.
        name: Name under which robomtl is to know it, such as ``my_suite``.
        out: The folder, which must not exist; one of this name here if None.

    Raises:
        InputError: If the kind is unknown, the name is none or taken, or there is such a
            folder.
    """
    check_known("kind of package", kind, _PLANS)
    plan = _PLANS[kind]
    _check_name(plan.registry, name)
    folder = located(out if out is not None else name)
    if folder.exists():
        raise InputError(f"{folder} exists; name another folder by --out.")
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
            f"The name '{name}' does not fit; give lower-case letters, digits and single"
            f" underscores, at most {_LONGEST}, such as '{_nearest(registry, name)}'."
        )
    if keyword.iskeyword(name) or hasattr(builtins, name.title().replace("_", "")):
        raise InputError(
            f"'{name}' is a word of Python; take '{registry.kind}_{name}'."
        )
    if name in registry.names():
        raise InputError(
            f"The {registry.kind} '{name}' exists already; take 'my_{name}', say."
        )


def _nearest(registry: Registry[Any], name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    near = re.sub(r"[^a-z0-9]+", "_", words).strip("_")[:_LONGEST].strip("_")
    return near if _NAME.fullmatch(near) else f"my_{near or registry.kind}"


def _texts(kind: str, module: str, values: Mapping[str, Any]) -> dict[str, str]:
    """The files of a package, by their paths."""
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
    """Writes files into a folder that appears once it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
        for path, text in texts.items():
            file = Path(temporary) / "made" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        shutil.move(Path(temporary) / "made", folder)
