"""Server that steps a simulator's envs for another process, in the simulator's interpreter.

This is a plain file, which robomtl runs with the interpreter of an environment:
``python server.py REQUESTS ANSWERS MEMORY PARENT AT_ONCE FILE``. It needs only Python 3.8 and
numpy. ``FILE`` imports the simulator and defines ``make(task, **options)``, which returns a
Gymnasium-like env.

Requests and answers pass through two pipes, each as a kind (1 byte), a length (4 bytes) and
that many bytes: JSON, the slots of a step, or an image. Observations, actions, rewards and
ends of episodes lie in memory that both processes map: a first page with the slot that
computes and the number of calls so far, and then a region for each env, called its slot.
Standard output and error are left to the simulator.

It stays one file, so that no module of robomtl is on the simulator's path.
"""

from __future__ import annotations  # Python 3.8 has no list[int].

import importlib.util
import json
import mmap
import os
import select
import signal
import struct
import sys
import threading
import time
import traceback
from typing import Any, Callable, Iterable, List, Tuple  # noqa: UP035 - Of Python 3.8.

import numpy as np

PROTOCOL = 1
HEAD = struct.Struct("<cI")  # Header of a message: its kind and its length.
PROGRESS = struct.Struct("<ii")  # The slot that computes, or -1; calls so far.
RESULT = struct.Struct("<dBBB")  # Reward, terminated, truncated, success.
BLIND = 11  # Offset in a slot of the flag that observations omit images.
ARRAYS = 64  # Offset of the arrays in a slot, and their alignment [bytes].
UNUSED = 60.0  # Time without an env after which the server ends [s].
PAGE = mmap.ALLOCATIONGRANULARITY

_Arrays = List[Tuple[str, Any]]  # noqa: UP006


class Refused(Exception):
    """An env returned something that violates its contract."""


class Slot:
    """Env with its arrays in the shared memory.

    Args:
        env: The env.
        parts: Layout of its action and of its observations' features; see ``_layout``.
        memory: File descriptor of the shared memory.
        offset: Offset of the slot in the memory [bytes].
        size: Size of the slot [bytes].
    """

    def __init__(
        self, env: Any, parts: list[dict[str, Any]], memory: int, offset: int, size: int
    ) -> None:
        self.env = env
        self.sighted = hasattr(env, "blind") and hasattr(env, "pictures")
        self.parts = parts
        self.offset, self.size = offset, size
        self.memory = mmap.mmap(memory, size, offset=offset)
        named = [(part["name"], _array(self.memory, part)) for part in parts]
        self.action = named[0][1]
        self.arrays = named[1:]
        self.vectors = [(n, array) for n, array in self.arrays if array.ndim == 1]

    def described(self, number: int) -> dict[str, Any]:
        """Description of the slot, from which the other process maps it, as plain data."""
        env = self.env
        spec = getattr(env, "spec", None)
        horizon = getattr(getattr(env, "unwrapped", env), "horizon", None)
        return {
            "slot": number,
            "offset": self.offset,
            "size": self.size,
            "action": self.parts[0],
            "observation": self.parts[1:],
            "sighted": self.sighted,
            "horizon": horizon or getattr(spec, "max_episode_steps", None),
            "fps": (getattr(env, "metadata", None) or {}).get("render_fps"),
            "render_mode": getattr(env, "render_mode", None),
        }

    def reset(self, seed: int | None, options: dict[str, Any]) -> dict[str, bool]:
        """Begins an episode; returns the success in its info, if any."""
        arrays = self._arrays_to_fill()
        result = self.env.reset(seed=seed, options=options)
        if type(result) is not tuple or len(result) != 2:
            raise Refused(
                f"reset returned {_kind(result)}; expected (observation, info)"
            )
        observation, info = result
        self._keep(observation, arrays)
        if not isinstance(info, dict) or "success" not in info:
            return {}
        return {"success": _truth(info["success"], "info['success']")}

    def step(self) -> None:
        """Takes a step with the action in the shared memory; writes its results there."""
        arrays = self._arrays_to_fill()
        result = self.env.step(self.action.copy())
        if type(result) is not tuple or len(result) != 5:
            raise Refused(
                f"step returned {_kind(result)}; expected (observation, reward, terminated,"
                " truncated, info)"
            )
        observation, reward, terminated, truncated, info = result
        self._keep(observation, arrays)
        if not isinstance(info, dict) or "success" not in info:
            raise Refused(
                f"info is {_kind(info)} without 'success'; expected True or False"
            )
        ends = _truth(terminated, "terminated"), _truth(truncated, "truncated")
        success = _truth(info["success"], "info['success']")
        RESULT.pack_into(self.memory, 0, _number(reward), *ends, success)

    def pictures(self) -> dict[str, Any]:
        """Renders the images of the current observation, if the env does so on demand."""
        if self.sighted:
            images = [(n, array) for n, array in self.arrays if array.ndim == 3]
            self._keep(self.env.pictures(), images)
        return {}

    def render(self) -> np.ndarray[Any, Any]:
        """Image of the current state; (height, width, 3)."""
        picture = self.env.render()
        if getattr(picture, "ndim", 0) != 3 or picture.dtype != np.uint8:
            raise Refused(f"render returned {_kind(picture)}; expected a uint8 picture")
        return np.ascontiguousarray(picture)

    def _arrays_to_fill(self) -> _Arrays:
        """Arrays that the next observation fills, after passing on the flag ``blind``."""
        if not self.sighted:
            return self.arrays
        self.env.blind = blind = bool(self.memory[BLIND])
        return self.vectors if blind else self.arrays

    def _keep(self, observation: Any, arrays: _Arrays) -> None:
        for name, array in arrays:
            value = observation.get(name) if isinstance(observation, dict) else None
            if type(value) is not np.ndarray or value.shape != array.shape:
                raise Refused(
                    f"observation '{name}' is {_kind(value)}; expected an array of shape"
                    f" {array.shape}, as the observation space says"
                )
            if value.dtype == array.dtype:
                array[...] = value
            elif np.can_cast(value.dtype, array.dtype, "same_kind"):
                array[...] = value.astype(array.dtype)
            else:
                raise Refused(
                    f"observation '{name}' is {_kind(value)}; expected {array.dtype}"
                )


class Server:
    """Answers requests until their pipe is closed.

    Args:
        requests: File descriptor from which requests are read.
        answers: File descriptor to which answers are written.
        memory: File descriptor of the shared memory.
        make: Returns an env of a task.
    """

    def __init__(
        self, requests: int, answers: int, memory: int, make: Callable[..., Any]
    ) -> None:
        self.requests, self.answers, self.memory = requests, answers, memory
        self.make = make
        self.slots: dict[int, Slot] = {}
        self.unused: dict[int, list[int]] = {}
        """Offsets of the regions of closed envs, by size."""
        self.poller = select.poll()
        self.poller.register(requests, select.POLLIN)
        self.progress = mmap.mmap(memory, PAGE)
        self.calls = 0

    def serve(self) -> None:
        """Main loop: reads a request and answers it; ends after ``UNUSED`` without an env."""
        while True:
            if not self.slots and not self.poller.poll(1000 * UNUSED):
                return
            kind, payload = receive(self.requests)
            if kind == b"S":
                slots = np.frombuffer(payload, np.uint16).tolist()
                stepped = {number: self._stepped(number) for number in slots}
                faults = {number: fault for number, fault in stepped.items() if fault}
                send(self.answers, b"S", json.dumps(faults).encode() if faults else b"")
            else:
                self._answer(json.loads(payload.decode()))

    def _stepped(self, number: int) -> dict[str, str] | None:
        """Takes a step of a slot; its fault, or None."""
        self._note(number)
        try:
            self.slots[number].step()
        except BaseException as error:  # A simulator may raise anything, and may exit.
            return _fault(error)
        finally:
            self._note(-1)
        return None

    def _answer(self, request: dict[str, Any]) -> None:
        call = request.pop("call")
        number = request.pop("slot", -1)
        self._note(number)
        try:
            kind, payload = self._called(call, number, request)
        except BaseException as error:  # A simulator may raise anything, and may exit.
            kind, payload = b"E", json.dumps(_fault(error)).encode()
        self._note(-1)
        send(self.answers, kind, payload)

    def _called(
        self, call: str, number: int, given: dict[str, Any]
    ) -> tuple[bytes, bytes]:
        """Kind and payload of the answer to a request."""
        if call == "render":
            picture = self.slots[number].render()
            return b"P", struct.pack("<III", *picture.shape) + picture.tobytes()
        if call == "make":
            result = self._made(**given)
        elif call == "close":
            result = self._closed(number)
        else:
            result = getattr(self.slots[number], call)(**given)
        return b"D", json.dumps(result).encode()

    def _made(self, task: str, options: dict[str, Any]) -> dict[str, Any]:
        env = self.make(task, **options)
        spaces = getattr(env.observation_space, "spaces", None)
        if not spaces:
            raise Refused(
                f"the observation space is {env.observation_space}; expected a Dict"
            )
        parts, size = _layout([("", env.action_space), *spaces.items()])
        slot = Slot(env, parts, self.memory, self._region(size), size)
        number = next(n for n in range(2**16) if n not in self.slots)
        self.slots[number] = slot
        return slot.described(number)

    def _region(self, size: int) -> int:
        """Offset of a region of this size: an unused one, or a new one at the end."""
        if self.unused.get(size):
            return self.unused[size].pop()
        end = os.fstat(self.memory).st_size
        os.ftruncate(self.memory, end + size)
        return end

    def _closed(self, number: int) -> dict[str, Any]:
        slot = self.slots.pop(number)
        self.unused.setdefault(slot.size, []).append(slot.offset)
        slot.env.close()
        return {}

    def _note(self, number: int) -> None:
        self.calls = (self.calls + 1) % 2**31
        PROGRESS.pack_into(self.progress, 0, number, self.calls)


def send(descriptor: int, kind: bytes, payload: bytes) -> None:
    """Writes a message."""
    view = memoryview(HEAD.pack(kind, len(payload)) + payload)
    while view:
        view = view[os.write(descriptor, view) :]


def receive(descriptor: int) -> tuple[bytes, bytes]:
    """Kind and payload of the next message; ends the process if the pipe is closed."""
    data = b""
    while len(data) < HEAD.size or len(data) < HEAD.size + HEAD.unpack_from(data)[1]:
        more = os.read(descriptor, 2**16)
        if not more:
            sys.exit()
        data += more
    return data[:1], data[HEAD.size :]


def _layout(
    named: Iterable[tuple[str, Any]],
) -> tuple[list[dict[str, Any]], int]:
    """Layout of the arrays of spaces, one after the other, and their total size."""
    parts, end = [], ARRAYS
    for name, space in named:
        if space.dtype not in (np.float32, np.uint8) or not space.shape:
            raise Refused(
                f"the space of '{name or 'action'}' is {space}; expected a Box of float32 or"
                " of uint8"
            )
        parts.append(
            {
                "name": name,
                "dtype": str(np.dtype(space.dtype)),
                "shape": list(space.shape),
                "at": end,
                "low": _bound(space.low, space.dtype),
                "high": _bound(space.high, space.dtype),
            }
        )
        size = int(np.prod(space.shape)) * np.dtype(space.dtype).itemsize
        end += -(-size // ARRAYS) * ARRAYS
    return parts, -(-end // PAGE) * PAGE


def _bound(bound: Any, dtype: Any) -> str:
    """Hexadecimal bytes of a bound; of one element only, if all are equal."""
    some = np.asarray(bound, dtype).ravel()
    return (some[:1] if (some == some[0]).all() else some).tobytes().hex()


def _array(memory: mmap.mmap, part: dict[str, Any]) -> np.ndarray[Any, Any]:
    count = int(np.prod(part["shape"]))
    flat = np.frombuffer(memory, part["dtype"], count, part["at"])
    return flat.reshape(part["shape"])


def _truth(value: Any, what: str) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if _is_number(value) and np.asarray(value).item() in (0, 1):
        return bool(np.asarray(value).item())
    raise Refused(f"{what} is {value!r}; expected True or False")


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if _is_number(value):
        return float(np.asarray(value).item())
    raise Refused(f"reward is {value!r}; expected a number")


def _is_number(value: Any) -> bool:
    return np.size(value) == 1 and np.asarray(value).dtype.kind in "biuf"


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return "nothing" if value is None else f"a {type(value).__name__}"


def _fault(error: BaseException) -> dict[str, str]:
    """Plain data on an exception: its kind, a sentence and the traceback."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if isinstance(error, Refused):
        return {"kind": "contract", "reason": str(error), "trace": trace}
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    if frames and not isinstance(error, SyntaxError):
        reason += (
            f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})"
        )
    return {"kind": "simulator", "reason": reason, "trace": trace}


def _loaded(path: str) -> Callable[..., Any]:
    """Function ``make`` of a Python file."""
    spec = importlib.util.spec_from_file_location("robomtl_simulator", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["robomtl_simulator"] = module  # Dataclasses look up their module.
    spec.loader.exec_module(module)
    make: Callable[..., Any] = module.make
    return make


def _end_with(parent: int, at_once: int) -> None:
    """Ends this process and its children when its parent has ended."""
    if at_once and sys.platform == "linux":  # Also in the middle of a step.
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.killpg(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def main(
    requests: int, answers: int, memory: int, parent: int, at_once: int, path: str
) -> None:
    """Serves requests until the parent process has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent handles Ctrl-C.
    _end_with(parent, at_once)
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [each for each in sys.path if os.path.abspath(each) != here]
    hello = {"protocol": PROTOCOL, "python": sys.version.split()[0]}
    try:
        make = _loaded(path)
    except BaseException as error:  # Importing a module may raise anything.
        send(answers, b"E", json.dumps(_fault(error)).encode())
        return
    send(answers, b"D", json.dumps(hello).encode())
    Server(requests, answers, memory, make).serve()


if __name__ == "__main__":
    _requests, _answers, _memory, _parent, _at_once = map(int, sys.argv[1:6])
    main(_requests, _answers, _memory, _parent, _at_once, sys.argv[6])
