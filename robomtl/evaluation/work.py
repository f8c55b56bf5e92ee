"""What a worker process does with a chunk, and what it keeps between chunks."""

import sys
from dataclasses import dataclass, field
from typing import NamedTuple

from robomtl.actor import Actor, Agent
from robomtl.evaluation.rollout import Outcome, Until, roll
from robomtl.evaluation.trials import Chunk
from robomtl.task import Env, Suite
from robomtl.versions import versions

_ATTEMPTS = 2  # Of a chunk in which a simulator goes unstable.


class Played(NamedTuple):
    """How the trials of a chunk went, and where."""

    outcomes: list[Outcome]
    processor: str | None
    """None if no process lived to tell."""

    @classmethod
    def failed(cls, reason: str, trials: int) -> "Played":
        """Errors, where the process died or hung every time."""
        return cls([Outcome(error=reason)] * trials, None)


@dataclass
class _Kept:
    """What is slow to build; the envs are those of the last task only."""

    actor: Actor | None = None
    task: str = ""
    envs: list[Env] = field(default_factory=list)


class PlayChunk:
    """Plays chunks; a process keeps the loaded agent and the envs of the last task.

    Args:
        agent: Loaded once, when the first chunk comes.
        suite: Makes the envs.
        until: See ``roll``.
    """

    def __init__(self, agent: Agent, suite: Suite, until: Until) -> None:
        self._agent = agent
        self._suite = suite
        self._until: Until = until
        self._kept = _Kept()

    def __call__(self, chunk: Chunk) -> Played:
        """How each trial of the chunk went.

        After a ``SimulationError`` the whole chunk is played again in new envs, where
        the other trials repeat themselves; a trial that fails again is an error.
        """
        outcomes: list[Outcome] = []
        for _ in range(_ATTEMPTS):
            envs = self._envs(chunk.task, len(chunk.trials))
            outcomes = roll(envs, self._actor(), chunk, until=self._until)
            if all(outcome.error is None for outcome in outcomes):
                break
            self._close()
        return Played(outcomes, versions()["processor"])

    def _actor(self) -> Actor:
        if self._kept.actor is None:
            self._kept.actor = self._agent.load(self._suite)
            if torch := sys.modules.get("torch"):
                # Each worker has a core; and sums depend on the number of threads.
                torch.set_num_threads(1)
        return self._kept.actor

    def _envs(self, task: str, count: int) -> list[Env]:
        if self._kept.task != task:
            self._close()
            self._kept.task = task
        while len(self._kept.envs) < count:
            self._kept.envs.append(self._suite.make_env(task))
        return self._kept.envs

    def _close(self) -> None:
        while self._kept.envs:
            self._kept.envs.pop().close()
