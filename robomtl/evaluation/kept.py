"""Envs and actor that a worker process keeps between chunks, as both are slow to make."""

import sys

from robomtl.acting.actor import Actor, Agent
from robomtl.evaluation.trials import Chunk
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.plug_in import close_broken, make_env
from robomtl.task import Env, Suite


class KeptActor:
    """Cache of an agent's actor, which is slow to load.

    Args:
        agent: Agent that loads the actor on first use.
        suite: Suite in which it acts.
    """

    def __init__(self, agent: Agent, suite: Suite) -> None:
        self._agent = agent
        self._suite = suite
        self._actor: Actor | None = None

    def get(self) -> Actor:
        """The actor, loaded on first use; torch computes with one thread from then on."""
        if self._actor is None:
            self._actor = self._agent.load(self._suite)
            if torch := sys.modules.get("torch"):
                # Each worker has one core, and sums depend on the number of threads.
                torch.set_num_threads(1)
        return self._actor


class KeptEnvs:
    """Cache of the envs of the latest task, which are slow to build.

    Args:
        suite: Suite of the envs.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._task = ""
        self._envs: list[Env] = []
        self._watched = set[str]()

    def of(self, task: str, count: int) -> list[Env]:
        """Envs of a task, at least ``count``; those of another task are closed."""
        if self._task != task:
            self.close()
            self._task = task
        while len(self._envs) < count:
            HEARTBEAT.beat()  # Making each env may take long.
            self._envs.append(make_env(self._suite, task))
        return self._envs

    def watch(self, chunk: Chunk) -> bool:
        """Whether this is the first chunk of a task with several trials in lockstep."""
        if len(chunk.trials) == 1 or chunk.task in self._watched:
            return False
        self._watched.add(chunk.task)
        return True

    def close(self) -> None:
        """Closes the envs, so that the next ones are new."""
        while self._envs:
            close_broken(self._envs.pop())
