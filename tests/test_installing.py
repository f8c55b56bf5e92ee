import hashlib
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from robomtl.cli.main import main
from robomtl.errors import InputError, MissingExtraError
from robomtl.simulators import installing
from robomtl.simulators.environment import ENVIRONMENTS, RECORD, Environment
from robomtl.simulators.installing import install
from robomtl.simulators.served_env import ServedEnv
from robomtl.simulators.simulator import Simulator

BARE = Path(__file__).with_name("bare_server.py")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
KITCHEN = Environment(name="kitchen", python=VERSION, requirements=("numpy",))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Folder in which the environment is installed."""
    monkeypatch.setenv("ROBOMTL_SIMULATORS", str(tmp_path / "simulators"))
    monkeypatch.setattr(ENVIRONMENTS, "_items", {"kitchen": KITCHEN})
    return tmp_path / "simulators" / "kitchen"


def finished(folder, **changes):
    """An environment that looks installed, with this interpreter."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    record = {"python": f"{VERSION}.0", "requirements": ["numpy"], "packages": []}
    (folder / RECORD).write_text(str(record | changes).replace("'", '"'))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, "has a name that cannot be a folder"),
        (
            {"python": "3.7"},
            r"has Python 3.7; give a version such as 3.11, at least 3.8",
        ),
        ({"python": "3"}, r"has Python 3; give a version"),
        ({"requirements": ()}, "requires nothing; name at least numpy"),
    ],
)
def test_what_is_no_environment_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(KITCHEN, **changes)


def test_an_env_whose_environment_is_not_installed_names_the_command(folder):
    simulator = Simulator(file=BARE, environment=KITCHEN)
    (folder / "bin").mkdir(parents=True)  # Half of an installation is none.
    with pytest.raises(
        MissingExtraError, match=r"with: robomtl simulators install kitchen$"
    ):
        ServedEnv(simulator, "count", {"train": range(1)})


def test_an_environment_of_other_requirements_names_the_command(folder):
    finished(folder, requirements=["numpy==1"])
    with pytest.raises(
        MissingExtraError, match=r"and numpy==1; this .* and numpy\. Install it"
    ):
        _ = KITCHEN.interpreter


def test_envs_run_in_the_environment(folder):
    finished(folder)
    simulator = Simulator(file=BARE, environment=KITCHEN)
    env = ServedEnv(simulator, "count", {"train": range(9)}, {"size": 5})
    observation, _ = env.reset(options={"variation": 4})
    np.testing.assert_array_equal(observation["state"], np.full(5, 4))
    assert tuple(observation["python"]) == sys.version_info[:3]
    simulator.process().kill()


def test_a_version_of_python_that_is_not_there_is_named(capsys, monkeypatch):
    monkeypatch.setattr(
        ENVIRONMENTS, "_items", {"old": replace(KITCHEN, python="3.99")}
    )
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        InputError, match=r"needs Python 3.99, and there is no python3.99"
    ):
        install(replace(KITCHEN, python="3.99"))


def test_uv_makes_environments_of_versions_that_are_not_there(tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho looking\necho error: no Python for $*\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    message = "making the venv failed: error: no Python for venv --seed --python 3.99 "
    with pytest.raises(InputError, match=message) as failed:
        install(replace(KITCHEN, python="3.99"))
    log = Path(str(failed.value).rpartition("The log is ")[2])
    assert log.read_text().startswith("looking\n")
    assert KITCHEN.record is None


def test_two_installations_of_one_environment_do_not_mix(folder):
    folder.parent.mkdir()
    with FileLock(folder.with_name("kitchen.lock")):
        with pytest.raises(
            InputError, match="Another process is installing or removing"
        ):
            install(KITCHEN)


def wheel(folder, name, code):
    """A package of one module."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", code)
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        file.writestr(f"{name}-1.0.dist-info/METADATA", about)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        file.writestr(f"{name}-1.0.dist-info/WHEEL", tags)
        file.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


@pytest.mark.slow
def test_an_installation_records_hashes_and_a_failed_one_leaves_nothing(
    tmp_path, folder, capsys, monkeypatch
):
    numpy = wheel(tmp_path, "numpy", "__version__ = '1.0'")
    kitchen = replace(KITCHEN, requirements=(f"numpy @ {numpy.as_uri()}",))
    monkeypatch.setattr(ENVIRONMENTS, "_items", {"kitchen": kitchen})

    assert main(["simulators", "install", "kitchen"]) == 0

    record = kitchen.record
    assert record is not None and record.fits(kitchen)
    (package,) = record.packages
    digest = hashlib.sha256(numpy.read_bytes()).hexdigest()
    assert (package.name, package.hashes["sha256"]) == ("numpy", digest)
    assert main(["simulators"]) == 0
    assert "MiB" in capsys.readouterr().out

    kept = tmp_path / "kept"
    shutil.copytree(folder, kept, symlinks=True)

    def copied(installation):  # Another venv with a pip of its own takes seconds.
        shutil.copytree(kept, installation.environment.folder, symlinks=True)

    monkeypatch.setattr(installing, "_make_venv", copied)
    with pytest.raises(InputError, match=r"pip failed: ERROR: .*nosuch"):
        install(replace(KITCHEN, requirements=("nosuch @ file:///nosuch.whl",)))
    assert not folder.exists()


def test_an_environment_can_be_removed(folder, capsys):
    finished(folder)
    assert main(["simulators", "remove", "kitchen"]) == 0
    assert not folder.exists()
    assert main(["simulators"]) == 0
    assert "numpy" in capsys.readouterr().out


def test_an_environment_with_a_damaged_record_is_shown_beside_others(folder, capsys):
    finished(folder, packages=0)
    ENVIRONMENTS.register("bathroom", replace(KITCHEN, name="bathroom"))
    assert main(["simulators"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "is damaged: $.packages" in shown
    assert "bathroom" in shown


def test_an_unknown_environment_names_the_nearest(capsys):
    assert main(["simulators", "install", "kitchn"]) == 2
    assert "Did you mean 'kitchen'" in " ".join(capsys.readouterr().err.split())
