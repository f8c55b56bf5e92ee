"""Policy on a device, in one process that predicts for all workers, which step envs."""

import multiprocessing
import os
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, wait
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from robomtl.acting.actor import Agent
from robomtl.acting.agent import PolicyAgent
from robomtl.acting.array_messages import receive_arrays, send_arrays
from robomtl.acting.joining import JointPolicy, Memories, memory_explained
from robomtl.acting.policy_actor import PolicyActor
from robomtl.acting.policy_episodes import PredictionRequest
from robomtl.arguments import checked
from robomtl.errors import InputError, StartError
from robomtl.execution.executor import spawn
from robomtl.execution.machine import check_device, device_of
from robomtl.execution.sendable import check_sendable
from robomtl.execution.worker_pool import Answer, outcome
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class ServedAgent:
    """Agent whose policy runs in a serving process of this machine; see ``serve``."""

    agent: PolicyAgent
    """Agent of the policy that is served."""
    device: str
    """Torch's name of the device, such as ``cuda:0``."""
    kind: str
    """Model of the device, such as ``NVIDIA H200``; outcomes depend on it."""
    address: str = field(repr=False, compare=False)
    """Address of the serving process, to which workers connect."""

    @property
    def name(self) -> str:
        """Name of the run directory, and the kind of device."""
        return f"{self.agent.name} on {self.kind}"

    @property
    def argument(self) -> str | None:
        """Full path of the run directory; None for a subclass of ``PolicyAgent``."""
        return self.agent.argument

    @property
    def conditioning_kinds(self) -> tuple[str, ...]:
        """Kinds of conditioning of the policy."""
        return self.agent.conditioning_kinds

    @property
    def acting(self) -> Mapping[str, Any]:
        """Actor settings that replace those of its checkpoint."""
        return self.agent.acting

    @property
    def actor_settings(self) -> Mapping[str, Any]:
        """Actor settings that differ from the defaults, including the history."""
        return self.agent.actor_settings

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the policy, and the kind of device."""
        return f"{self.agent.fingerprint} on {self.kind}"

    def check(self, suite: Suite) -> None:
        """Refuses a suite that does not fit the policy; see ``PolicyAgent``."""
        self.agent.check(suite)

    def check_tasks(self, suite: Suite, tasks: Sequence[str]) -> None:
        """Refuses tasks that do not fit the policy; see ``PolicyAgent``."""
        self.agent.check_tasks(suite, tasks)

    def load(self, suite: Suite) -> PolicyActor:
        """Actor that requests its actions from the serving process.

        Raises:
            InputError: If the serving process cannot be reached.
        """
        try:
            # Spawned processes inherit the key of their parent.
            key = multiprocessing.current_process().authkey
            connection = Client(self.address, authkey=key)
        except (OSError, EOFError, AuthenticationError) as error:
            raise InputError(
                f"'{self.name}' is not served here. It is served only inside its 'with'"
                " block, and to processes of this machine (LocalExecutor, not Ray)."
            ) from error
        return PolicyActor(self.agent.card, _Client(connection, self.name), suite)


class _Client:
    """Requests actions from the serving process."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    def __call__(self, request: PredictionRequest) -> NDArray[np.float32]:
        try:
            self._connection.send(request._replace(observation={}))
            send_arrays(self._connection, request.observation)
            answer: Answer = self._connection.recv()
        except (EOFError, OSError) as error:
            raise InputError(
                f"The process that serves '{self._name}' has died. Finished work is"
                " kept; run the same command to resume."
            ) from error
        if answer.kind == "raise":
            raise answer.value
        actions: NDArray[np.float32] = answer.value
        return actions


def compute_deterministically() -> None:
    """Makes results of this process independent of its batch and its threads."""
    torch.set_num_threads(1)  # Sums depend on the number of threads.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # Torch requires it.
    torch.use_deterministic_algorithms(True)


def _serve(agent: PolicyAgent, device: str, control: Connection) -> None:
    """Main loop of the serving process; ends when its parent closes ``control``."""
    compute_deterministically()
    begun = outcome(_load, (agent, device))
    if begun.kind != "done":
        control.send(begun)
        return
    key = multiprocessing.current_process().authkey
    with Listener(_address(), family="AF_UNIX", authkey=key) as listener:
        control.send(Answer("done", (listener.address, _kind(begun.value.device))))
        clients: dict[Connection, Memories] = {}
        threading.Thread(target=_accept, args=(listener, clients), daemon=True).start()
        while control not in (ready := wait([control, *clients], timeout=0.1)):
            _answer(begun.value, clients, cast(list[Connection], ready))


def _address() -> str | None:
    """Name in Linux's abstract namespace; None elsewhere, where the library picks a file.

    A file would be in TMPDIR, whose path may exceed the length limit of a socket's path.
    """
    return f"\0robomtl-{uuid.uuid4()}" if sys.platform == "linux" else None


def _load(given: tuple[PolicyAgent, str]) -> JointPolicy:
    agent, device = given
    with memory_explained(device):
        return JointPolicy(agent.trained().policy, device)


def _accept(listener: Listener, clients: dict[Connection, Memories]) -> None:
    while True:
        try:
            client = listener.accept()
        except (OSError, EOFError, AuthenticationError):
            continue  # The client died while connecting, or has another key.
        clients[client] = {}


def _answer(
    served: JointPolicy, clients: dict[Connection, Memories], ready: list[Connection]
) -> None:
    """Answers all waiting clients in one batch; forgets clients that died."""
    waiting: dict[Connection, PredictionRequest] = {}
    for client in ready:
        try:
            request: PredictionRequest = client.recv()
            features = receive_arrays(client)
            waiting[client] = request._replace(observation=features)
        except (EOFError, OSError):
            del clients[client]
    groups = [(each, clients[client]) for client, each in waiting.items()]
    answered = outcome(served.answer, groups)
    for index, client in enumerate(waiting):
        done = answered.kind == "done"
        try:
            client.send(Answer("done", answered.value[index]) if done else answered)
        except OSError:
            del clients[client]


def _kind(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@checked
@contextmanager
def serve(agent: Agent, *, device: str) -> Iterator[ServedAgent]:
    """Agent whose policy runs on a device, for the duration of the block.

    One process runs the policy; workers request actions from it, and one forward pass
    answers all waiting workers.

    Args:
        agent: A trained policy.
        device: Torch's name of the device, such as ``cuda``, ``cuda:1`` or ``cpu``.

    Raises:
        InputError: If the agent is not a trained policy, there is no such device, or it
            has too little memory.
    """
    if not isinstance(agent, PolicyAgent):
        raise InputError(
            f"'{agent.name}' is not a trained policy, so it computes nothing on a"
            " device; leave the device out."
        )
    check_device(device)
    device = str(device_of(device))
    check_sendable(agent)
    process, control = spawn(_serve, agent, device)
    try:
        address, kind = _begun(control)
        yield ServedAgent(agent=agent, device=device, kind=kind, address=address)
    finally:
        control.close()  # Ends the process, unless it is in the middle of a batch.
        process.join(5)
        process.kill()
        process.join()


def placed(agent: Agent, device: str | None) -> AbstractContextManager[Agent]:
    """The agent itself if no device is named; otherwise served from the device."""
    return nullcontext(agent) if device is None else serve(agent, device=device)


def _begun(control: Connection) -> tuple[str, str]:
    try:
        answer: Answer = control.recv()
    except (EOFError, OSError) as error:
        raise StartError(
            "The process that serves the policy does not start; its output above says"
            " why. A script that starts processes needs 'if __name__ == \"__main__\":'."
        ) from error
    if answer.kind == "raise":
        raise answer.value
    address, kind = answer.value
    return address, kind
