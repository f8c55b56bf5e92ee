"""Client side of the process that steps a simulator's envs."""

import mmap
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError, PlugInError
from robomtl.execution.exit_codes import ended
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.files.untrusted import parse_json
from robomtl.simulators import server

_LONGEST_ANSWER = 2**28  # [bytes] Enough for an image of 9,000 by 9,000 pixels.
_LONGEST_LOG = 2**20  # [bytes] A simulator's log is cleared beyond this size.
_SOONER = (
    0.8  # Fraction of the worker's limit after which its simulator counts as hung.
)

Form = TypeVar("Form")


class LostServerError(RuntimeError):
    """A server has crashed or hung; its envs are gone."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Exception that a simulator raised, as plain data."""

    kind: Literal["simulator", "contract"]
    """``contract`` if an env violated its contract, ``simulator`` for any other exception."""
    reason: str
    """Description of the exception, in a sentence without the full stop."""
    trace: str
    """Traceback in the server."""


class FaultError(RuntimeError):
    """A simulator raised an exception; its server continues."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault
        self.add_note(f"In the simulator's server:\n{fault.trace}")


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """First answer of a server."""

    protocol: int
    """Version of the server's protocol."""
    python: str
    """Version of the server's interpreter."""


class ServerProcess:
    """Running server of a simulator; a lock admits one thread at a time.

    Args:
        interpreter: Interpreter that runs the server.
        file: File that defines ``make(task, **options)``.
        environ: Environment variables of the server.

    Raises:
        PlugInError: If the file cannot be loaded, or the server has another protocol.
        LostServerError: If the server crashes or hangs during its start.
    """

    def __init__(
        self, interpreter: Path, file: Path, environ: Mapping[str, str]
    ) -> None:
        self.file = file
        self.lost = ""
        """Reason why the server is lost; empty while it runs."""
        self.at_fault = -1
        """Slot that was computing when the server was lost; -1 for none."""
        self.lock = threading.RLock()
        self.announced = array("H")
        """Slots whose next step is due; their actions are in the shared memory."""
        self._faults: dict[int, Fault] = {}
        self._open = True
        self._memory = _shared_memory()
        os.ftruncate(self._memory.fileno(), server.PAGE)
        self._head = mmap.mmap(self._memory.fileno(), server.PAGE)
        self._log = tempfile.TemporaryFile("a+b")
        self._start(interpreter, environ)
        try:
            hello = self._decoded(self._answer(), ServerInfo)
        except FaultError as error:
            self.kill()
            raise PlugInError(
                f"{file.name} cannot be loaded by {interpreter}: {error}."
            ) from error
        if hello.protocol != server.PROTOCOL:
            self.kill()
            raise PlugInError(
                f"The server of {file.name} speaks version {hello.protocol} of the"
                f" protocol, and this process version {server.PROTOCOL}; robomtl was"
                " reinstalled while it ran. Start it again."
            )

    def _start(self, interpreter: Path, environ: Mapping[str, str]) -> None:
        theirs, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        descriptors = theirs, answers, self._memory.fileno()
        # Linux would end the server with the thread that started it, unless it is the main.
        at_once = threading.current_thread() is threading.main_thread()
        numbers = *descriptors, os.getpid(), int(at_once)
        words = interpreter, server.__file__, *numbers, self.file
        self._process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=descriptors,
            start_new_session=True,
            env=environ,
        )
        os.close(theirs)
        os.close(answers)
        self._poller = select.poll()
        self._poller.register(self._answers, select.POLLIN)

    def call(self, name: str, form: type[Form], **given: Any) -> Form:
        """Sends a request; returns the answer.

        Args:
            name: Name of the call, such as ``make`` or ``reset``.
            form: Type of the answer.
            given: Arguments of the call, plain data.

        Raises:
            FaultError: If the simulator raises an exception.
            LostServerError: If the server crashes or hangs.
        """
        with self.lock:
            request = msgspec.json.encode({"call": name, **given})
            self._send(b"J", request)
            return self._decoded(self._answer(), form)

    def picture(self, slot: int) -> NDArray[np.uint8]:
        """Image that the env of a slot renders; (height, width, 3).

        Raises:
            FaultError: If the simulator raises an exception.
            LostServerError: If the server crashes or hangs.
        """
        with self.lock:
            self._send(b"J", msgspec.json.encode({"call": "render", "slot": slot}))
            payload = self._answer()
        shape = struct.unpack_from("<III", payload)
        return np.frombuffer(payload, np.uint8, offset=12).reshape(shape).copy()

    def step(self, slot: int) -> None:
        """Takes the announced step of a slot, together with those of all other slots.

        Raises:
            FaultError: If the slot's env raises an exception.
            LostServerError: If the server crashes or hangs.
        """
        with self.lock:
            if slot in self.announced:
                slots, self.announced = self.announced, array("H")
                self._send(b"S", slots.tobytes())
                if faults := self._answer():
                    found = self._decoded(faults, dict[str, Fault])
                    self._faults |= {int(n): fault for n, fault in found.items()}
            if self._faults and slot in self._faults:
                raise FaultError(self._faults.pop(slot))
            if self.lost:
                raise LostServerError(self.lost)

    def mapped(self, offset: int, size: int) -> mmap.mmap:
        """Region of the shared memory.

        Args:
            offset: Offset of the region [bytes].
            size: Size of the region [bytes].

        Raises:
            PlugInError: If the region exceeds the memory.
        """
        if offset + size > os.fstat(self._memory.fileno()).st_size:
            raise PlugInError(
                f"The server of {self.file.name} names {size} bytes at {offset}, beyond"
                " the memory that it shares."
            )
        return mmap.mmap(self._memory.fileno(), size, offset=offset)

    def withdraw(self, slot: int) -> None:
        """Discards the announced step of a slot, and its fault."""
        if slot in self.announced:
            self.announced.remove(slot)
        self._faults.pop(slot, None)

    @property
    def pid(self) -> int:
        """ID of the server's process."""
        return self._process.pid

    @property
    def ended_unused(self) -> bool:
        """Whether the server ended by itself, having had no env for ``server.UNUSED``."""
        return self._process.poll() == 0

    @property
    def alive(self) -> bool:
        """Whether the server runs and is not lost."""
        return not self.lost and self._process.poll() is None

    def kill(self) -> None:
        """Kills the server and its children."""
        if not self._open:
            return
        self._open = False
        self.lost = self.lost or "its server was ended"
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for descriptor in (self._requests, self._answers):
            with suppress(OSError):
                os.close(descriptor)

    def _send(self, kind: bytes, payload: bytes) -> None:
        if self.lost:
            raise LostServerError(self.lost)
        try:
            server.send(self._requests, kind, payload)
        except BrokenPipeError:
            self._lose(self._how_it_ended())

    def _answer(self) -> bytes:
        """Payload of the next answer."""
        try:
            kind, payload = self._received()
        except BaseException:
            self.kill()  # After Ctrl-C, its late answer would be read for the next request.
            raise
        if kind == b"E":
            raise FaultError(self._decoded(payload, Fault))
        return payload

    def _received(self) -> tuple[bytes, bytes]:
        data, size = b"", server.HEAD.size
        while len(data) < size:
            self._wait()
            more = os.read(self._answers, 2**16)  # A pipe holds no more.
            if not more:
                self._lose(self._how_it_ended())
            data = data + more if data else more
            if len(data) >= server.HEAD.size:
                size = server.HEAD.size + server.HEAD.unpack_from(data)[1]
                if size > _LONGEST_ANSWER:
                    self._lose(f"its server announced an answer of {size:,} bytes")
        return data[:1], data[server.HEAD.size :]

    def _wait(self) -> None:
        """Waits for an answer while the server makes progress."""
        if self._poller.poll(100):
            return
        limit = _SOONER * HEARTBEAT.limit
        before, since = self._progress(), time.monotonic()
        while not self._poller.poll(1000 * min(1.0, limit / 4)):
            if (now := self._progress()) != before:
                before, since = now, time.monotonic()
                HEARTBEAT.beat()
            elif time.monotonic() - since > limit:
                self._lose(f"made no progress for {limit:g} s")

    def _progress(self) -> tuple[int, ...]:
        return server.PROGRESS.unpack_from(self._head)

    def _lose(self, reason: str) -> None:
        self.lost = reason
        self.at_fault = self._progress()[0]
        self.kill()
        raise LostServerError(reason)

    def _how_it_ended(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        how, said = ended(self._process.poll()), self._last_line()
        return f"its server {how}{', having printed: ' * bool(said)}{said}"

    def _last_line(self) -> str:
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, end - 2000))
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in lines[::-1] if line.strip()), "")[:200]

    def cut_log(self) -> None:
        """Clears the log of the simulator's output if it is long."""
        if os.fstat(self._log.fileno()).st_size > _LONGEST_LOG:
            os.ftruncate(self._log.fileno(), 0)

    def _decoded(self, payload: bytes, form: type[Form]) -> Form:
        where = f"An answer of the server of {self.file.name}"
        try:
            return parse_json(payload, form, where=where)
        except InputError as error:
            raise PlugInError(str(error)) from error


def _shared_memory() -> IO[bytes]:
    """Unnamed file that two processes map."""
    if sys.platform == "linux":
        return open(os.memfd_create("robomtl"), "r+b")
    return tempfile.TemporaryFile()
