"""Installation of environments: a venv for each, in which pip installs packages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from robomtl.errors import InputError
from robomtl.files.durable import write_json, write_text, writing_into
from robomtl.files.untrusted import read_json
from robomtl.simulators.environment import (
    RECORD,
    Environment,
    Package,
    Record,
    own_variables,
)

_VERSION = (
    "import sys, venv, ensurepip; print('.'.join(map(str, sys.version_info[:3])))"
)


@dataclass(frozen=True, kw_only=True)
class _Metadata:
    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class _Archive:
    hashes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Download:
    archive_info: _Archive = _Archive()


@dataclass(frozen=True, kw_only=True)
class _Installed:
    metadata: _Metadata
    download_info: _Download


@dataclass(frozen=True, kw_only=True)
class _Report:
    """Fields of pip's installation report that are read."""

    install: tuple[_Installed, ...]


@dataclass(frozen=True)
class _Installation:
    """Running installation, with the log of its commands."""

    environment: Environment
    log: IO[bytes]

    def run(self, what: str, *words: Path | str) -> str:
        """Runs a command; returns its output, which is also logged.

        Args:
            what: Name of the step, for the message.
            words: Command and its arguments.

        Raises:
            InputError: If the command fails; shows its last error.
        """
        begun = self.log.tell()
        try:
            code = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=subprocess.STDOUT,
                env=own_variables(),
            ).returncode
        except OSError as error:
            raise self.failed(what, str(error)) from error
        self.log.seek(begun)
        said = self.log.read().decode(errors="replace")
        if code:
            raise self.failed(what, _reason(said) or f"exit code {code}")
        return said.strip()

    def failed(self, what: str, reason: str) -> InputError:
        """Error for a failed step."""
        return InputError(
            f"The environment '{self.environment.name}' cannot be installed: {what}"
            f" failed: {reason.rstrip('.')}. The log is {self.log.name}"
        )


def _reason(said: str) -> str:
    """Reason of a failure from a command's output: the last error line, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "error:"))]
    return (errors or lines or [""])[-1]


def _candidates(version: str) -> Iterator[str]:
    """Yields interpreters that may be of a Python version."""
    yield sys.executable
    if found := shutil.which(f"python{version}"):
        yield found
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from map(str, sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True))


def _is_of(version: str, interpreter: str) -> bool:
    command = [interpreter, "-c", _VERSION]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and found.stdout.startswith(f"{version}.")


def _make_venv(installation: _Installation) -> None:
    """Creates the venv with an interpreter of this machine, or one that uv provides."""
    environment = installation.environment
    version, folder = environment.python, environment.folder
    for interpreter in _candidates(version):
        if _is_of(version, interpreter):
            installation.run("making the venv", interpreter, "-m", "venv", folder)
            return
    uv = shutil.which("uv")
    if uv is None:
        raise InputError(
            f"The environment '{environment.name}' needs Python {version}, and there is no"
            f" python{version} on the PATH or among pyenv's versions. Install it, or uv,"
            " which fetches it."
        )
    words = uv, "venv", "--seed", "--python", version, folder
    installation.run("making the venv", *words)


def _install_packages(installation: _Installation) -> Record:
    environment = installation.environment
    folder, python = environment.folder, environment.folder / "bin" / "python"
    requirements, report = folder / "requirements.txt", folder / "report.json"
    write_text(requirements, "\n".join(environment.requirements) + "\n")
    flags = "--no-input", "--disable-pip-version-check", "--report", report
    installation.run("pip", python, "-m", "pip", "install", *flags, "-r", requirements)
    installation.run("importing numpy", python, "-c", "import numpy")
    found = read_json(report, _Report).install
    packages = [
        Package(
            name=each.metadata.name,
            version=each.metadata.version,
            hashes=dict(each.download_info.archive_info.hashes),
        )
        for each in found
    ]
    return Record(
        python=installation.run("running its Python", python, "-c", _VERSION),
        requirements=environment.requirements,
        packages=tuple(sorted(packages, key=lambda package: package.name.lower())),
    )


@contextmanager
def _held(environment: Environment) -> Iterator[None]:
    """Locks an environment against other processes that install or remove it."""
    folder = environment.folder
    with writing_into(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.with_name(f"{folder.name}.lock"), timeout=0):
            yield
    except Timeout as error:
        raise InputError(
            f"Another process is installing or removing '{environment.name}'; wait for it."
        ) from error


def install(environment: Environment) -> Record:
    """Installs an environment, after removing an earlier installation.

    Args:
        environment: Environment to install.

    Raises:
        InputError: If no interpreter is found, or a command fails; names the log.
    """
    folder = environment.folder
    with _held(environment):
        remove_folder(folder)
        log = folder.with_name(f"{folder.name}.log")
        with writing_into(folder.parent), log.open("w+b", buffering=0) as file:
            installation = _Installation(environment, file)
            try:
                _make_venv(installation)
                record = _install_packages(installation)
            except InputError:
                remove_folder(folder)
                raise
            write_json(folder / RECORD, asdict(record))
    return record


def remove(environment: Environment) -> None:
    """Removes an environment, even a partly installed one."""
    with _held(environment):
        remove_folder(environment.folder)


def remove_folder(folder: Path) -> None:
    """Removes an installation, its record first, so that a rest does not seem complete."""
    (folder / RECORD).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def size(environment: Environment) -> int:
    """Size of an installed environment [bytes]."""
    paths = environment.folder.rglob("*")
    return sum(path.lstat().st_size for path in paths if not path.is_dir())
