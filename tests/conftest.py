import gc
import multiprocessing.context
import os
import signal
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
    """Begins with the longest files, so that no worker ends with one alone."""
    place = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_collection_finish():
    """Leaves what was imported out of every later search for garbage.

    A process that is forked would copy what it searches.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small networks wait for threads longer than they compute."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """No test writes into the cache of whoever runs it; installed simulators are used."""
    os.environ["ROBOMTL_SIMULATORS"] = str(simulators_folder())
    os.environ["ROBOMTL_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    """No message is broken into lines, so that a test finds its words wherever it runs.

    At 80 columns it would depend on the length of the folder's name where a line ends.
    """
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture(scope="session", autouse=True)
def ray_priority():
    """Workers of Ray's clusters have the priority of the tests, and not Ray's niceness of 15.

    Beside other tests they took ten times as long.
    """
    os.environ["RAY_worker_niceness"] = "0"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Ctrl-C works in tests and their children, even in a job that ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Forking(multiprocessing.context.ForkContext):
    """Forks a process, which closes our ends of pipes as one that is spawned has none."""

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
    """Worker processes are forked, which saves each the seconds in which it imports.

    For files whose subject is not how processes start.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executor, "_SPAWN", Forking())
        yield


@pytest.fixture
def spawned_workers(monkeypatch):
    """Worker processes start as they do for users, also in a file that forks them."""
    monkeypatch.setattr(executor, "_SPAWN", multiprocessing.get_context("spawn"))


@pytest.fixture
def no_suites(monkeypatch):
    """The registry of suites, empty until the end of the test.

    It is emptied, and not replaced: a module that is first imported meanwhile, as those of
    the command line are, would keep another registry for good.
    """
    for name, value in {"_builtins": {}, "_items": {}, "group": "none"}.items():
        monkeypatch.setattr(SUITES, name, value)
    return SUITES
