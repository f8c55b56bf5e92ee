"""Environments: a separate interpreter and packages for a simulator."""

import os
from dataclasses import dataclass
from pathlib import Path

from robomtl.catalogue import Registry
from robomtl.errors import InputError, MissingExtraError
from robomtl.files.cache import cache_folder
from robomtl.files.paths import located
from robomtl.files.untrusted import read_json
from robomtl.names import check_name, several

RECORD = "installed.json"
"""File that marks an installed environment; see ``Record``."""

_OF_PYTHON = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV")


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Python version and packages of a simulator, installed separately from robomtl's."""

    name: str
    """Name by which ``robomtl simulators install`` installs it."""
    python: str
    """Version of Python, such as ``3.11``."""
    requirements: tuple[str, ...]
    """Lines of a pip requirements file, with pinned versions; they must install numpy."""

    def __post_init__(self) -> None:
        """Checks the name, the version and the requirements.

        Raises:
            InputError: If the name cannot be a folder's, the version does not have the
                form 3.11, or there are no requirements.
        """
        check_name("environment", self.name)
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise InputError(
                f"The environment '{self.name}' has a name that cannot be a folder; use"
                " letters, digits and hyphens."
            )
        major, _, minor = self.python.partition(".")
        if major != "3" or not minor.isdigit() or int(minor) < 8:
            raise InputError(
                f"The environment '{self.name}' has Python {self.python}; give a version"
                " such as 3.11, at least 3.8."
            )
        lines = several(f"requirements of '{self.name}'", self.requirements)
        if not lines:
            raise InputError(f"'{self.name}' requires nothing; name at least numpy.")
        object.__setattr__(self, "requirements", lines)

    @property
    def folder(self) -> Path:
        """Folder into which it is installed."""
        return simulators_folder() / self.name

    @property
    def record(self) -> "Record | None":
        """Record of its installation; None unless it is finished.

        Raises:
            InputError: If the record is damaged.
        """
        path = self.folder / RECORD
        return read_json(path, Record) if path.exists() else None

    @property
    def versions(self) -> dict[str, str]:
        """Versions of Python and of all packages, by name; empty unless it is installed.

        Raises:
            InputError: If the record is damaged.
        """
        record = self.record
        if record is None:
            return {}
        packages = {each.name: each.version for each in record.packages}
        return {"python": record.python, **packages}

    @property
    def interpreter(self) -> Path:
        """Path of the interpreter that runs the simulator.

        Raises:
            MissingExtraError: If it is not installed, or was with other requirements.
        """
        record, install = self.record, f"robomtl simulators install {self.name}"
        if record is None:
            raise MissingExtraError(
                f"The simulator '{self.name}' runs in its own environment (Python"
                f" {self.python}), which is not installed in {self.folder}. Install it with:"
                f" {install}"
            )
        if not record.fits(self):
            raise MissingExtraError(
                f"The environment '{self.name}' was installed with Python {record.python}"
                f" and {', '.join(record.requirements)}; this version of its suite needs"
                f" Python {self.python} and {', '.join(self.requirements)}. Install it"
                f" again with: {install}"
            )
        return self.folder / "bin" / "python"


@dataclass(frozen=True, kw_only=True)
class Package:
    """Installed package."""

    name: str
    """Name of the package."""
    version: str
    """Installed version."""
    hashes: dict[str, str]
    """Hashes of the downloaded file, by algorithm; empty if installed from a folder."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Record of an installation, written when it is finished."""

    python: str
    """Full version of the interpreter, such as ``3.11.7``."""
    requirements: tuple[str, ...]
    """Requirements that were installed; see ``Environment.requirements``."""
    packages: tuple[Package, ...]
    """All installed packages, sorted by name."""

    def fits(self, environment: Environment) -> bool:
        """Whether the Python version and requirements of an environment were installed."""
        same = self.requirements == environment.requirements
        return same and self.python.startswith(f"{environment.python}.")


ENVIRONMENTS: Registry[Environment] = Registry(
    "environment",
    "robomtl.simulators",
    {
        "libero": "robomtl.envs.libero_environment:ENVIRONMENT",
        "maniskill": "robomtl.envs.maniskill:ENVIRONMENT",
    },
)
"""Environments that ``robomtl simulators`` can install, by name.

Another distribution adds one as an entry point of the group ``robomtl.simulators``.
"""


def own_variables() -> dict[str, str]:
    """Environment variables of this process, except those that change Python's paths."""
    kept = {name: v for name, v in os.environ.items() if name not in _OF_PYTHON}
    return kept | {"PYTHONNOUSERSITE": "1"}


def simulators_folder() -> Path:
    """Folder ``$ROBOMTL_SIMULATORS``; by default ``simulators`` in the cache folder."""
    given = os.environ.get("ROBOMTL_SIMULATORS")
    return located(given) if given else cache_folder() / "simulators"
