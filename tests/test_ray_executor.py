import contextlib
import os
import socket
import sys
import tempfile
from functools import partial
from operator import itemgetter
from pathlib import Path

import pytest
from test_executor import (
    Unreadable,
    die_always,
    die_once,
    ended,
    eventually,
    explode_once,
    hang,
    outcomes,
    process_id,
    refuse,
    square,
    stumble,
    work_slowly,
)

from robomtl.errors import StartError
from robomtl.execution import ray_executor, worker_pool
from robomtl.execution.executor import Failure
from robomtl.execution.ray_executor import RayExecutor

ray = pytest.importorskip("ray", reason="needs the extra: pip install 'robomtl[ray]'")


class Counting:
    """Work that keeps something between items."""

    def __init__(self):
        self.count = 0

    def __call__(self, item):
        self.count += 1
        return self.count


@pytest.fixture(scope="module")
def connected():
    """Ray on this machine, with three cores."""
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def disconnected():
    if ray.is_initialized():
        pytest.fail("Tests of addresses stand before those that connect.")


def test_without_the_extra_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"an extra: pip install 'robomtl\[ray\]'"):
        RayExecutor()


def test_where_temporary_paths_are_long_ray_has_a_folder_of_its_own(monkeypatch):
    with ray_executor._short_folder() as usual:
        assert usual == {}
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "x" * 60)
    with ray_executor._short_folder() as one, ray_executor._short_folder() as other:
        folder = Path(one["_temp_dir"])
        assert folder.stat().st_mode & 0o077 == 0 and one != other
        assert len(str(folder)) <= ray_executor._LONGEST_FOLDER
    assert not folder.exists()


@pytest.mark.parametrize("count", ["workers", "attempts"])
def test_counts_below_one_are_refused(count):
    with pytest.raises(ValueError, match=f"{count} is 0; give at least 1"):
        RayExecutor(**{count: 0})


@pytest.mark.slow
def test_an_address_that_is_none_is_refused(disconnected):
    message = "No Ray cluster answers at 'nonsense' .*Invalid address format: nonsense"
    with pytest.raises(ValueError, match=message):
        outcomes(RayExecutor(address="nonsense"), square, [1])


@pytest.mark.slow
def test_an_address_that_does_not_answer_is_given_up(disconnected, monkeypatch):
    monkeypatch.setattr(ray_executor, "_ANSWER_WITHIN", 5.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        message = rf"No Ray cluster answers at '{address}' \(no answer within 5 s\)"
        with pytest.raises(ValueError, match=message):
            outcomes(RayExecutor(address=address), square, [1])


def listening(item):
    """Addresses on which this process and the one of Ray that started it listen."""
    addresses = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state, inode = itemgetter(1, 3, 9)(line.split())
            if state == "0A":
                addresses[f"socket:[{inode}]"] = local.partition(":")[0]
    links = set()
    for process in (os.getpid(), os.getppid()):
        for each in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):  # It was closed meanwhile.
                links.add(os.readlink(each))
    return {addresses[link] for link in links & addresses.keys()}


def addresses_and_niceness(item):
    return listening(item), os.nice(0)


@pytest.mark.slow
def test_without_an_address_ray_is_started_here_alone_at_our_priority_and_ended(
    disconnected, monkeypatch
):
    monkeypatch.delenv("RAY_worker_niceness")
    found = outcomes(RayExecutor(workers=2), addresses_and_niceness, range(3))
    assert set(found) == {0, 1, 2}
    for addresses, niceness in found.values():
        assert addresses and niceness == os.nice(0)
        assert all(address.endswith("0100007F") for address in addresses)
    assert not ray.is_initialized()


@pytest.mark.slow
def test_every_item_has_its_result_with_more_workers_than_cores(connected):
    results = outcomes(RayExecutor(workers=5), square, range(7))
    assert results == {item: item**2 for item in range(7)}


@pytest.mark.slow
def test_work_lives_between_items_and_every_map_has_its_own(connected):
    for _ in range(2):
        results = outcomes(RayExecutor(workers=1), Counting(), "abc")
        assert results == {0: 1, 1: 2, 2: 3}


@pytest.mark.slow
def test_a_killed_actor_is_replaced_and_its_item_tried_again(connected, tmp_path):
    items = ["a", "mortal", "b", "c"]
    results = outcomes(RayExecutor(), partial(die_once, tmp_path), items)
    assert results == dict(enumerate(items))
    assert len(list(tmp_path.glob("mortal-*"))) == 2


@pytest.mark.slow
def test_an_item_whose_actor_always_dies_fails_and_the_others_do_not(connected):
    results = outcomes(RayExecutor(attempts=2), die_always, ["a", "mortal", "b"])
    reason = "The actor is dead because its worker process has died."
    assert results == {0: "a", 1: Failure(f"its worker was lost: {reason}"), 2: "b"}


@pytest.mark.slow
def test_an_item_whose_simulator_failed_is_tried_by_another_actor(connected, tmp_path):
    work = partial(explode_once, tmp_path)
    assert outcomes(RayExecutor(workers=1), work, ["reach"]) == {0: "reach"}
    first, second = sorted(tmp_path.glob("reach-*"))
    assert first.read_text() != second.read_text()


@pytest.mark.slow
def test_an_item_that_hangs_is_given_up_and_the_others_are_not(connected):
    executor = RayExecutor(workers=1, attempts=1, limit=3)
    results = outcomes(executor, hang, ["slow", "a"])
    assert results == {0: Failure("made no progress for 3 s"), 1: "a"}


@pytest.mark.slow
def test_an_item_that_progresses_may_take_longer_than_the_limit(connected):
    executor = RayExecutor(workers=1, attempts=1, limit=5)
    assert outcomes(executor, work_slowly, ["slow"]) == {0: "slow"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("work", "kind", "message"),
    [
        (refuse, ValueError, "There is no task 'a'"),
        (stumble, RuntimeError, r"(?s)In a worker:.*in stumble.*KeyError: 'a'"),
        (Unreadable(), ValueError, "cannot read its work .*No module named 'ghost'"),
    ],
)
def test_what_work_raises_is_raised_here(connected, work, kind, message):
    with pytest.raises(kind, match=message):
        outcomes(RayExecutor(workers=1), work, ["a"])


@pytest.mark.slow
def test_a_node_with_other_versions_is_refused(connected, monkeypatch):
    monkeypatch.setattr(ray_executor, "packages", lambda: {"torch": "0.4"})
    message = f"torch is '.*' on {os.uname().nodename} and '0.4' on the driver.*Install the same"
    with pytest.raises(ValueError, match=message):
        outcomes(RayExecutor(), square, [1])


@pytest.mark.slow
def test_actors_end_when_the_results_are_not_wanted_any_more(connected):
    results = RayExecutor(workers=2).map(process_id, range(4))
    _, process = next(results)
    results.close()
    assert eventually(lambda: ended(process))


@pytest.mark.slow
def test_a_cluster_without_a_free_core_is_reported(connected, monkeypatch):
    busy = RayExecutor(workers=3, limit=60).map(hang, ["slow"] * 2 + ["a"])
    assert next(busy) == (2, "a")
    monkeypatch.setattr(worker_pool, "START_WITHIN", 3.0)
    message = "No worker starts on the Ray cluster 'local'.* cluster has 3 in all"
    with pytest.raises(StartError, match=message):
        outcomes(RayExecutor(workers=1, attempts=1, limit=3), square, [1])
    busy.close()
