"""Versions of Python and packages, processor and commit, recorded beside results."""

import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import (
    PackageNotFoundError,
    packages_distributions,
    version,
)
from pathlib import Path

_FOR_THE_RECORD = ("commit", "processor")  # Not compared when work is resumed.
_PACKAGES = ("robomtl", "torch", "numpy", "mujoco", "metaworld", "gymnasium")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of packages that affect results, processor and commit.

    The commit is that of the checkout from which robomtl runs, with ``+changes`` if tracked
    files differ from it; it is absent for an installed package.
    """
    found = {name: version(name) for name in _PACKAGES}
    found |= {"python": platform.python_version(), "processor": processor()}
    commit = _git("rev-parse", "HEAD")
    if commit:
        changed = _git("status", "--porcelain", "--untracked-files=no")
        found["commit"] = commit + ("+changes" if changed else "")
    return found


def packages() -> dict[str, str]:
    """The entries of ``versions`` except the commit and the processor."""
    known = versions()
    return {name: known[name] for name in known if name not in _FOR_THE_RECORD}


def installed_versions(*names: str) -> dict[str, str]:
    """Versions of packages, for the ``definition`` of a suite; empty if any is missing."""
    try:
        return {name: version(name) for name in names}
    except PackageNotFoundError:
        return {}


def versions_of_modules(modules: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions of modules, except those in ``versions``.

    Modules without a distribution, such as those of Python or of a script, are left out.
    """
    tops = {module.partition(".")[0] for module in modules}
    apart = tops - {"", *_PACKAGES, *sys.stdlib_module_names}
    names = {name for top in apart for name in _owners().get(top, ())}
    return {name: version(name) for name in sorted(names - {*_PACKAGES})}


@cache
def _owners() -> Mapping[str, list[str]]:
    return packages_distributions()


def _git(*arguments: str) -> str:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return answer.stdout.strip()


@cache
def processor() -> str:
    """Name of the processor of this machine."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
