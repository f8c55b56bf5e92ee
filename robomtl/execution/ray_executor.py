"""Executor that maps work over a Ray cluster and survives crashed workers and nodes."""

import importlib
import logging
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from robomtl.errors import InputError
from robomtl.execution.heartbeat import HEARTBEAT, Beat
from robomtl.execution.interrupt import keeping_terminate
from robomtl.execution.worker_pool import (
    Answer,
    Failure,
    Worker,
    WorkerPool,
    check_counts,
    check_limit,
    outcome,
)
from robomtl.extras import library
from robomtl.files.request import differences
from robomtl.imports import import_modules, imported
from robomtl.ranges import check_types, settings
from robomtl.versions import packages

Item = TypeVar("Item")
Result = TypeVar("Result")

_ANSWER_WITHIN = 30.0  # [s] ray.init itself would try a dead address for 12 minutes.
_LONGEST_FOLDER = 30  # A socket's path has 107 bytes at most, of which Ray takes 70.
_CONNECT = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"


@settings
@dataclass(frozen=True, kw_only=True)
class RayExecutor:
    """Actors on a Ray cluster; each has a core and works on one item at a time.

    An item whose actor or node dies, that hangs, or that reports a ``SimulationError``
    is tried again by another actor; after the last attempt its result is a ``Failure``.
    Actors without a free core wait for one, while the others work.

    A process that is already connected to Ray stays connected to its cluster; otherwise it
    connects when work begins, and disconnects when work ends.
    """

    address: str = "local"
    """Address of the cluster: ``auto``, ``host:port`` or ``ray://host:port``; ``local``
    starts Ray on this machine."""
    workers: int = 2
    """Number of actors."""
    attempts: int = 3
    """Number of times that an item is tried before it counts as failed."""
    limit: float = 600.0
    """Longest time without progress after which an actor is replaced [s]; each has at
    least 120 s to start."""

    def __post_init__(self) -> None:
        """Checks the types, the counts and the limit, and that Ray is installed.

        Raises:
            ValueError: If a value has the wrong type, or is not positive.
            MissingExtraError: If the extra ``ray`` is missing.
        """
        check_types(self)
        check_counts(self.workers, self.attempts)
        check_limit(self.limit)
        _ray()

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        kind: Callable[[Item], Hashable] = type,
    ) -> Iterator[tuple[int, Result | Failure]]:
        """Yields (index of the item, its result) as results come; see ``Executor``.

        Raises:
            ValueError: If no cluster answers at the address, a node has other versions of
                packages, or ``work`` raises an ``InputError``.
        """
        with _connected(self.address, self.workers):
            yield from _Actors(work, self).map(items, kind)


@dataclass(eq=False, kw_only=True)
class _RemoteWorker(Worker):
    actor: Any
    awaited: Any
    """Ray reference to the worker's next answer."""
    heartbeat: Any = None
    """Ray reference to the worker's next note of progress; None if none is requested."""
    latest: Beat = Beat()


class _Actors(WorkerPool[_RemoteWorker]):
    """Worker pool on a Ray cluster, spread over its nodes."""

    def __init__(self, work: Callable[[Any], Any], executor: RayExecutor) -> None:
        super().__init__(executor.workers, executor.attempts, executor.limit)
        self._address = executor.address
        self._work = _ray().put(work)
        options = {"num_cpus": 1, "concurrency_groups": {"heartbeat": 1}}
        made = _ray().remote(**options)(_Actor)
        self._actor = made.options(scheduling_strategy="SPREAD")

    def spawn(self) -> _RemoteWorker:
        actor = self._actor.remote(sys.path, imported(), self._limit)
        return _RemoteWorker(
            actor=actor, awaited=actor.start.remote(self._work, packages())
        )

    def give(self, worker: _RemoteWorker, item: Any, lost: Mapping[int, str]) -> None:
        worker.awaited = worker.actor.play.remote(item, lost)

    def answering(self, workers: Sequence[_RemoteWorker]) -> Sequence[_RemoteWorker]:
        awaited = [worker.awaited for worker in workers]
        ready, _ = _ray().wait(awaited, timeout=1.0)
        more, _ = _ray().wait(awaited, num_returns=len(awaited), timeout=0)
        return [worker for worker in workers if worker.awaited in {*ready, *more}]

    def receive(self, worker: _RemoteWorker) -> Answer:
        errors = _ray().exceptions
        try:
            received: Answer = _ray().get(worker.awaited)
        except errors.RayTaskError as error:  # ``_Actor.play`` itself raises nothing.
            message = (
                "A Ray worker cannot read its work or send its result:"
                f" {_reason(error)}. Its node needs the modules and packages that are"
                " used here."
            )
            return Answer("raise", InputError(message))
        except errors.RayError as error:
            return Answer("retry", f"its worker was lost: {_reason(error)}")
        return received

    def lost(self, worker: _RemoteWorker) -> bool:
        return False  # A lost worker is noticed when it is given an item.

    def beat(self, worker: _RemoteWorker) -> Beat:
        if worker.heartbeat is None:
            ask = worker.actor.beat.options(concurrency_group="heartbeat")
            worker.heartbeat = ask.remote()
        elif _ray().wait([worker.heartbeat], timeout=0)[0]:
            with suppress(_ray().exceptions.RayError):  # ``receive`` notices it.
                worker.latest = _ray().get(worker.heartbeat)
            worker.heartbeat = None
        return worker.latest

    def discard(self, worker: _RemoteWorker) -> None:
        _ray().kill(worker.actor)

    def no_start(self, reason: str) -> str:
        cores = _ray().cluster_resources().get("CPU", 0)
        return (
            f"No worker starts on the Ray cluster '{self._address}': the last one"
            f" {reason}. Each needs a free core, of which the cluster has {cores:g} in"
            " all, and robomtl on its node."
        )


class _Actor:
    """Actor in a Ray worker; keeps the work function, with its caches, between items."""

    def __init__(
        self, path: Sequence[str], modules: Sequence[str], limit: float
    ) -> None:
        # The driver's import path works on this node too, if the node has its modules.
        sys.path.extend(entry for entry in path if entry not in sys.path)
        import_modules(modules)
        HEARTBEAT.limit = limit
        self._work: Callable[[Any], Any] | None = None

    def start(self, work: Callable[[Any], Any], expected: dict[str, str]) -> Answer:
        """Stores the work function; refuses if package versions differ on this node."""
        self._work = work
        sides = f"on {os.uname().nodename}", "on the driver"
        differing = differences(packages(), expected)
        listed = "; ".join(each.phrase(sides) for each in differing)
        if not listed:
            return Answer("done")
        message = (
            "A node of the Ray cluster has other versions, with which results may"
            f" differ: {listed}. Install the same on every node."
        )
        return Answer("raise", InputError(message))

    def play(self, item: Any, lost: Mapping[int, str]) -> Answer:
        """Answer for an item."""
        assert self._work is not None
        HEARTBEAT.lost = lost
        HEARTBEAT.reach(0.0)
        answer = outcome(self._work, item)
        HEARTBEAT.beat()
        return answer

    def beat(self) -> Beat:
        """Latest note of progress; runs concurrently with ``play``."""
        return HEARTBEAT.latest


def _ray() -> Any:
    return library(
        "ray", extra="ray", need="Evaluating on a Ray cluster needs an extra"
    )


@contextmanager
def _connected(address: str, workers: int) -> Iterator[None]:
    """Connects this process to Ray during the block, unless it is already connected."""
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # No telemetry.
        # Ray's default of 15 would give any other process of the machine priority.
        os.environ.setdefault("RAY_worker_niceness", "0")
        quiet |= {"num_cpus": workers, "include_dashboard": False}
    else:
        _check_that_a_cluster_answers(address)
    short: AbstractContextManager[dict[str, str]] = nullcontext({})
    with _short_folder() if address == "local" else short as folder:
        loopback = _on_loopback() if address == "local" else nullcontext()
        with loopback, keeping_terminate():
            ray.init(address=address, **quiet, **folder)
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Makes a Ray that starts in the block listen on the loopback interface only.

    Anyone who reaches Ray's ports can run code. Ray uses 127.0.0.1 as the address of the
    node if clusters are disabled.
    """
    constants: Any = importlib.import_module("ray._private.ray_constants")
    before = constants.ENABLE_RAY_CLUSTER
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _short_folder() -> Iterator[dict[str, str]]:
    """Arguments of ``ray.init`` with a short temporary folder, if socket paths need one."""
    if len(tempfile.gettempdir()) <= _LONGEST_FOLDER:
        yield {}
        return
    with tempfile.TemporaryDirectory(
        prefix="ray-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:  # Ray's last processes may still write into it.
        yield {"_temp_dir": folder}


def _check_that_a_cluster_answers(address: str) -> None:
    """Connects in a subprocess with a timeout, which ``ray.init`` does not have."""
    command = [sys.executable, "-c", _CONNECT, address]
    try:
        subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_ANSWER_WITHIN
        )
        return
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_ANSWER_WITHIN:g} s"
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().rpartition("\n")[2]
    raise InputError(
        f"No Ray cluster answers at '{address}' ({reason}). Give the address that `ray"
        " start` printed, such as 10.0.0.1:6379, or 'local' to start Ray here."
        " Finished work is kept."
    )


def _reason(error: Exception) -> str:
    """The cause of a Ray error, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    because = [line for line in lines if line.startswith("The actor is dead because")]
    text = (because or lines)[-1].partition(" Worker exit type")[0]
    return textwrap.shorten(text, 200, placeholder=" ...")
