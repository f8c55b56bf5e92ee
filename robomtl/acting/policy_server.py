"""Websocket server of a policy for many clients, compatible with ``openpi-client``.

The server first sends a message about the policy. Then the client sends observations, and
the server answers each with actions, in the format of ``robomtl.acting.policy_messages``. If
a client's message is invalid, the answer is an error text, and the connection stays open.
"""

import asyncio
import http
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.acting.agent import PolicyAgent
from robomtl.acting.joining import JointPolicy, Memories, memory_explained
from robomtl.acting.policy_episodes import PredictionRequest
from robomtl.acting.policy_messages import pack, unpack
from robomtl.acting.policy_session import PolicySession
from robomtl.arguments import checked
from robomtl.checkpoint import Card
from robomtl.errors import InputError, MissingExtraError
from robomtl.execution.machine import check_device, device_of
from robomtl.execution.serving import compute_deterministically
from robomtl.execution.worker_pool import outcome
from robomtl.ranges import check_types, settings
from robomtl.terminal import say

try:
    from websockets.asyncio.server import ServerConnection, serve
    from websockets.exceptions import ConnectionClosed
    from websockets.http11 import Request, Response
except ImportError as error:
    raise MissingExtraError(
        "A policy server needs websockets: pip install 'robomtl[serve]'"
    ) from error

_WAIT = 0.001  # [s] Longest time that a request waits for others.
_TEXTS = 2**16  # [bytes] Allowance for a message's content other than its features.
_REASON = 100  # Characters of a closing reason; a close frame has room for 123 bytes.
_GOODBYE = 1  # [s] Time for clients to answer the closing handshake; the default is 10.


@settings
@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Settings of a policy server."""

    host: str = "127.0.0.1"
    """Address that the server listens at; 0.0.0.0 for all of this machine's."""
    port: int = 8000
    """Port that the server listens at; 0 for a free one."""
    device: str = "auto"
    """Torch device of the policy, such as cuda; ``auto`` is cuda if available, else cpu."""
    batch_size: int = 16
    """Number of clients per forward pass. Smaller batches are padded, so that an answer
    does not depend on the number of clients; 1 is fastest for a single client."""

    def __post_init__(self) -> None:
        """Checks the types and the ranges.

        Raises:
            InputError: If a value has the wrong type or is out of range.
        """
        check_types(self)
        if not 0 <= self.port < 2**16:
            raise InputError(f"port is {self.port}; give 0 to {2**16 - 1}.")
        if not 1 <= self.batch_size <= 1024:
            raise InputError(f"batch_size is {self.batch_size}; give 1 to 1024.")


class _Waiting(NamedTuple):
    request: PredictionRequest
    memories: Memories
    answer: asyncio.Future[NDArray[np.float32]]


class _Batcher:
    """Collects requests for at most a millisecond, and answers them in one batch.

    The policy computes in the thread of the event loop; requests that arrive meanwhile
    wait in their sockets and form the next batch.
    """

    def __init__(self, policy: JointPolicy, batch_size: int) -> None:
        self.clients = 0
        """Number of open connections; a batch is complete when all of them have a request."""
        self._policy, self._batch_size = policy, batch_size
        self._waiting: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None

    async def predict(
        self, request: PredictionRequest, memories: Memories
    ) -> NDArray[np.float32]:
        """Action chunk for a request; (row, chunk, action)."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, memories, loop.create_future())
        self._waiting.append(waiting)
        if len(self._waiting) >= min(self._batch_size, self.clients):
            self._answer()
        elif self._timer is None:
            self._timer = loop.call_later(_WAIT, self._answer)
        return await waiting.answer

    def _answer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting, self._timer = self._waiting, [], None
        given = [(each.request, each.memories) for each in waiting]
        answered = outcome(self._policy.answer, given)
        for index, each in enumerate(waiting):
            if each.answer.done():
                continue  # Its client has disconnected.
            if answered.kind == "done":
                each.answer.set_result(answered.value[index])
            else:
                each.answer.set_exception(answered.value)


class PolicyServer:
    """Answers the clients of a policy.

    Args:
        agent: Agent of the trained policy.
        config: Settings of the server.

    Raises:
        InputError: If there is no such device, or it has too little memory.
    """

    def __init__(self, agent: PolicyAgent, config: ServerConfig) -> None:
        check_device(config.device)
        device = str(device_of(config.device))
        trained = agent.trained().policy
        with memory_explained(device):
            policy = JointPolicy(trained, device, rows=1, groups=config.batch_size)
        self._agent, self._config = agent, config
        self._batcher = _Batcher(policy, config.batch_size)
        self._metadata = pack(metadata(agent, trained.chunk))

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listens during the block; yields the address of the server.

        Raises:
            InputError: If it cannot listen at the host and port.
        """
        host, port = self._config.host, self._config.port
        try:
            server = await serve(
                self._converse,
                host,
                port,
                compression=None,
                max_size=_largest(self._agent.card),
                close_timeout=_GOODBYE,
                process_request=_health,
            )
        except OSError as error:
            raise InputError(
                f"Nothing can listen at {host}, port {port}: {error.strerror or error}."
                " Give another --host or --port."
            ) from error
        async with server:
            address, number, *_ = server.sockets[0].getsockname()
            yield f"ws://{address}:{number}"

    async def _converse(self, connection: ServerConnection) -> None:
        session = PolicySession(self._agent.card)
        self._batcher.clients += 1
        try:
            await connection.send(self._metadata)
            async for message in connection:
                await connection.send(await self._answer(session, message))
        except ConnectionClosed as closed:
            if closed.sent is not None and closed.sent.code != 1001:
                say(
                    f"A connection was closed: {closed.sent.reason[:_REASON]}",
                    stderr=True,
                )
        finally:
            self._batcher.clients -= 1

    async def _answer(
        self, session: PolicySession, message: bytes | str
    ) -> bytes | str:
        """Answer to a message: packed actions, or an error text."""
        before = time.perf_counter()
        try:
            requests = session.requests(unpack(message))
        except (InputError, MissingExtraError) as error:
            return str(error)
        try:
            chunks = [
                await self._batcher.predict(each, session.memories) for each in requests
            ]
            actions = session.actions(chunks)
        except (InputError, RuntimeError) as error:
            session.end()  # Without the prediction, the episode cannot continue.
            say(str(error), stderr=True)
            *_, reason = (
                str(error).rstrip().splitlines()
            )  # The last line of a traceback.
            return f"The policy failed: {reason}"
        taken = 1e3 * (time.perf_counter() - before)
        return pack({"actions": actions, "server_timing": {"infer_ms": taken}})


def metadata(agent: PolicyAgent, chunk: int) -> dict[str, Any]:
    """Description of a policy that clients receive when they connect.

    Args:
        agent: Agent of the policy.
        chunk: Number of actions that the policy predicts at once.
    """
    card = agent.card
    each_step = card.spec.history > 1 or card.acting.ensemble is not None
    return {
        "policy": card.policy,
        "run": agent.name,
        "fingerprint": agent.fingerprint,
        "conditioning": [*agent.conditioning_kinds],
        "tasks": [*card.conditioning.tasks],
        "history": card.spec.history,
        "action_horizon": 1 if each_step else card.acting.execute or chunk,
        "goal_images": [*card.spec.goals],
        "embodiments": {
            robot.name: {
                "observation": {
                    name: {"shape": it.shape, "dtype": it.dtype, "names": it.names}
                    for name, it in robot.observation.items()
                },
                "action": {
                    "size": robot.action.size,
                    "names": robot.action.names,
                    "units": robot.action.units,
                },
            }
            for robot in card.spec.embodiments
        },
    }


def _largest(card: Card) -> int:
    """Size of the largest message that a client may send [bytes]."""
    features = [
        *(each for it in card.spec.embodiments for each in it.observation.values()),
        *card.spec.goals.values(),
    ]
    sizes = (
        math.prod(each.shape) * (8 if each.kind == "state" else 1) for each in features
    )
    return sum(sizes) + _TEXTS


def _health(connection: ServerConnection, request: Request) -> Response | None:
    """Answer to a health check; None for any other request."""
    if request.path == "/healthz":
        return connection.respond(http.HTTPStatus.OK, "OK\n")
    return None


async def _run(server: PolicyServer, ready: Callable[[str], None]) -> None:
    async with server.listening() as address:
        ready(address)
        await asyncio.get_running_loop().create_future()


@checked
def serve_policy(
    agent: PolicyAgent,
    config: ServerConfig,
    *,
    ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serves a policy until Ctrl-C.

    Args:
        agent: Agent of the trained policy.
        config: Settings of the server.
        ready: Called with the server's address once it listens.

    Raises:
        InputError: If it cannot listen, or the device is missing or has too little memory.
    """
    compute_deterministically()
    server = PolicyServer(agent, config)
    asyncio.run(_run(server, ready))
