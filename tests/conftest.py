import gc
import multiprocessing.context
import os
import signal
import subprocess
from weakref import WeakSet

import pytest
import torch

from robomtl.execution import executor
from robomtl.simulators.environment import simulators_folder
from robomtl.suites import SUITES

LONGEST = (
    "test_ray_executor",
    "test_metaworld_fast",
    "test_experiments_ray",
    "test_metaworld_camera",
    "test_robosuite",
    "test_evaluation",
    "test_readme",
    "test_probe",
    "test_policies",
    "test_policies_in_use",
    "test_cli",
    "test_evaluation_ray",
    "test_evaluation_kills",
    "test_collect",
    "test_adapt_comparing",
    "test_check",
    "test_processes",
    "test_adapt_conformance",
    "test_devices",
    "test_executor",
    "test_robots_in_use",
    "test_simulators",
    "test_recipes",
    "test_lifelong",
    "test_metaworld_variations",
)
"""Files that take longest, the longest first, though some have few tests."""


def pytest_collection_modifyitems(items):
    """Orders the longest files first, so that no worker finishes late with one of them."""
    place = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish():
    """Excludes imported modules from later garbage collections.

    A process that is forked would copy what it searches.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Uses one thread, as small networks wait for threads longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Uses a temporary cache, and the user's installed simulators."""
    os.environ["ROBOMTL_SIMULATORS"] = str(simulators_folder())
    os.environ["ROBOMTL_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    """Makes the terminal wide, so that messages are not wrapped.

    At 80 columns it would depend on the length of the folder's name where a line ends.
    """
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture(scope="session", autouse=True)
def ray_priority():
    """Gives Ray's workers the priority of the tests, in place of Ray's niceness of 15.

    Beside other tests they took ten times as long.
    """
    os.environ["RAY_worker_niceness"] = "0"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Restores Ctrl-C in tests and their children, even in a job that ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Forking(multiprocessing.context.ForkContext):
    """Forks a process and closes the parent's ends of pipes in it, as when spawning."""

    def __init__(self):
        self.ours = WeakSet()

    def Pipe(self):
        ours, theirs = super().Pipe()
        self.ours.add(ours)
        return ours, theirs

    def Process(self, *, target, args, daemon):
        def begin(*given):
            for connection in self.ours:
                connection.close()
            target(*given)

        return super().Process(target=begin, args=args, daemon=daemon)


@pytest.fixture(scope="module")
def forked_workers():
    """Forks worker processes, which saves the seconds of their imports.

    For files whose subject is not how processes start.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "_SPAWN", Forking())
        yield


@pytest.fixture
def spawned_workers(monkeypatch):
    """Spawns worker processes as for users, even in a file that forks them."""
    monkeypatch.setattr(executor, "_SPAWN", multiprocessing.get_context("spawn"))


@pytest.fixture
def read_only():
    """Makes a folder read-only until the end of the test.

    Modes do not stop root, for whom the folder is mounted over itself, without writing.
    """
    folders = []

    def freeze(folder):
        if os.geteuid():
            folder.chmod(0o555)
        elif subprocess.run(
            ["mount", "--bind", folder, folder], check=False
        ).returncode:
            pytest.skip("root may not mount here")
        else:
            mounted = ["mount", "-o", "remount,bind,ro", folder]
            folders.append(folder)
            subprocess.run(mounted, check=True)

    yield freeze
    for folder in folders:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1 MiB, which only root may mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("no disk may be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.fixture
def no_suites(monkeypatch):
    """The registry of suites, emptied until the end of the test.

    It is emptied, and not replaced: a module that is first imported meanwhile, as those of
    the command line are, would keep another registry for good.
    """
    for name, value in {"_builtins": {}, "_items": {}, "group": "none"}.items():
        monkeypatch.setattr(SUITES, name, value)
    return SUITES
