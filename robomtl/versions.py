"""What a result was made with."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_FOR_THE_RECORD = ("commit", "processor")  # Outcomes do not depend on them.
_PACKAGES = ("robomtl", "torch", "numpy", "mujoco", "metaworld", "gymnasium")


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results, processor and commit.

    The commit is that of the checkout robomtl runs from, with ``+changes`` where tracked
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
    """Versions that outcomes depend on."""
    known = versions()
    return {name: known[name] for name in known if name not in _FOR_THE_RECORD}


def installed_versions(*names: str) -> dict[str, str] | None:
    """Versions of packages, for the ``definition`` of a suite; None if one is missing."""
    try:
        return {name: version(name) for name in names}
    except PackageNotFoundError:
        return None


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
