"""Work spread over a Ray cluster, surviving workers and nodes that die."""

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
from robomtl.execution.interrupt import keeping_terminate
from robomtl.execution.pulse import PULSE, Beat
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
    """Actors on a Ray cluster; each has a core and holds one item at a time.

    An item whose actor or node dies, that hangs, or that reports a ``SimulationError``
    is tried again by another actor; after the last attempt its result is a ``Failure``.
    Actors that find no free core wait for one, while the others work.

    A process that is connected to Ray already stays connected to that cluster; others
    connect when work begins, and leave when it ends.
    """

    address: str = "local"
    """Address of the cluster: ``auto``, ``host:port`` or ``ray://host:port``; with ``local``
    Ray is started on this machine."""
    workers: int = 2
    """Number of actors."""
    attempts: int = 3
    """How often an item is tried before it counts as failed."""
    limit: float = 600.0
    """Longest time without progress after which an actor is replaced [s]; each has at
    least 120 s to start."""

    def __post_init__(self) -> None:
        """Checks the counts and the limit, and that Ray is installed.

        Raises:
            ValueError: If there would be no actor, no attempt or no time.
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
            ValueError: Besides what ``work`` raises: if no cluster answers at the
                address, or a node has other versions of packages.
        """
        with _connected(self.address, self.workers):
            yield from _Actors(work, self).map(items, kind)


@dataclass(eq=False, kw_only=True)
class _Hand(Worker):
    actor: Any
    awaited: Any
    """Reference to its next answer."""
    pulse: Any = None
    """Reference to its next note of progress; None while none is requested."""
    latest: Beat = Beat()


class _Actors(WorkerPool[_Hand]):
    """Workers on a Ray cluster, spread over its nodes."""

    def __init__(self, work: Callable[[Any], Any], executor: RayExecutor) -> None:
        super().__init__(executor.workers, executor.attempts, executor.limit)
        self._address = executor.address
        self._work = _ray().put(work)
        options = {"num_cpus": 1, "concurrency_groups": {"pulse": 1}}
        made = _ray().remote(**options)(_Actor)
        self._actor = made.options(scheduling_strategy="SPREAD")

    def spawn(self) -> _Hand:
        actor = self._actor.remote(sys.path, imported(), self._limit)
        return _Hand(actor=actor, awaited=actor.start.remote(self._work, packages()))

    def give(self, worker: _Hand, item: Any, lost: Mapping[int, str]) -> None:
        worker.awaited = worker.actor.play.remote(item, lost)

    def answering(self, workers: Sequence[_Hand]) -> Sequence[_Hand]:
        awaited = [worker.awaited for worker in workers]
        ready, _ = _ray().wait(awaited, timeout=1.0)
        more, _ = _ray().wait(awaited, num_returns=len(awaited), timeout=0)
        return [worker for worker in workers if worker.awaited in {*ready, *more}]

    def receive(self, worker: _Hand) -> Answer:
        errors = _ray().exceptions
        try:
            received: Answer = _ray().get(worker.awaited)
        except errors.RayTaskError as error:  # Work itself raises nothing: see _Actor.
            message = (
                "A Ray worker cannot read its work or send its result:"
                f" {_reason(error)}. Its node needs the modules and packages that are"
                " used here."
            )
            return Answer("raise", InputError(message))
        except errors.RayError as error:
            return Answer("retry", f"its worker was lost: {_reason(error)}")
        return received

    def lost(self, worker: _Hand) -> bool:
        return False  # It is found when it is given an item.

    def beat(self, worker: _Hand) -> Beat:
        if worker.pulse is None:
            ask = worker.actor.beat.options(concurrency_group="pulse")
            worker.pulse = ask.remote()
        elif _ray().wait([worker.pulse], timeout=0)[0]:
            with suppress(_ray().exceptions.RayError):  # It is found by receive.
                worker.latest = _ray().get(worker.pulse)
            worker.pulse = None
        return worker.latest

    def discard(self, worker: _Hand) -> None:
        _ray().kill(worker.actor)

    def no_start(self, reason: str) -> str:
        cores = _ray().cluster_resources().get("CPU", 0)
        return (
            f"No worker starts on the Ray cluster '{self._address}': the last one"
            f" {reason}. Each needs a free core, of which the cluster has {cores:g} in"
            " all, and robomtl on its node."
        )


class _Actor:
    """The work in a Ray worker, with whatever it keeps between items."""

    def __init__(
        self, path: Sequence[str], modules: Sequence[str], limit: float
    ) -> None:
        # Modules that are found here are found there, if the node has them.
        sys.path.extend(entry for entry in path if entry not in sys.path)
        import_modules(modules)
        PULSE.limit = limit
        self._work: Callable[[Any], Any] | None = None

    def start(self, work: Callable[[Any], Any], expected: dict[str, str]) -> Answer:
        """Takes the work, unless results here would be of other versions."""
        self._work = work
        sides = f"on {os.uname().nodename}", "here"
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
        """The result of an item."""
        assert self._work is not None
        PULSE.lost = lost
        PULSE.reach(0.0)
        answer = outcome(self._work, item)
        PULSE.beat()
        return answer

    def beat(self) -> Beat:
        """The latest note of progress, beside the work."""
        return PULSE.latest


def _ray() -> Any:
    return library(
        "ray", extra="ray", need="Evaluating on a Ray cluster needs an extra"
    )


@contextmanager
def _connected(address: str, workers: int) -> Iterator[None]:
    """Connects this process to Ray until the block ends, unless it is already."""
    ray = _ray()
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Nothing is sent home.
        # Ray's 15 would let any other process of the machine go first.
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
    """Starts Ray in the block so that it listens on the loopback interface only.

    Whoever reaches its ports may run code. Ray uses 127.0.0.1 as the address of the node
    if clusters are disabled.
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
    """Its own folder for Ray, where the paths of sockets would be too long."""
    if len(tempfile.gettempdir()) <= _LONGEST_FOLDER:
        yield {}
        return
    with tempfile.TemporaryDirectory(
        prefix="ray-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:  # Ray's last processes may still write there.
        yield {"_temp_dir": folder}


def _check_that_a_cluster_answers(address: str) -> None:
    """Connects in a process that can be given up, as ``ray.init`` cannot."""
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
        " start` printed, such as 10.0.0.1:6379, or 'local' to start Ray here. What was"
        " finished is kept."
    )


def _reason(error: Exception) -> str:
    """The cause of a Ray error, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    because = [line for line in lines if line.startswith("The actor is dead because")]
    text = (because or lines)[-1].partition(" Worker exit type")[0]
    return textwrap.shorten(text, 200, placeholder=" ...")
