"""Work function that plays chunks in a worker process."""

from robomtl.acting.actor import Actor, Agent
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.kept import KeptActor, KeptEnvs
from robomtl.evaluation.rollout import Outcome, Until, roll
from robomtl.evaluation.shared_draws import WARNING, SharedDraws
from robomtl.evaluation.trials import Chunk
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.task import Suite
from robomtl.versions import processor
from robomtl.warned import warn

_ATTEMPTS = 2  # Number of times that a chunk is played if a simulator fails.


def play(envs: KeptEnvs, actor: Actor, chunk: Chunk, until: Until) -> list[Outcome]:
    """Plays a chunk; returns the outcome of each trial.

    After an exception of a simulator, the whole chunk is played again in new envs, in
    which the other trials have the same outcomes; a trial that fails again is an error.
    """
    outcomes: list[Outcome] = []
    for _ in range(_ATTEMPTS):
        current = envs.of(chunk.task, len(chunk.trials))
        draws = SharedDraws()
        begun = draws.begin if envs.watch(chunk) else None
        outcomes = roll(current, actor, chunk, until=until, begun=begun)
        if draws.changed():
            warn(WARNING)
        played = zip(chunk.trials, outcomes, strict=True)
        if not any(
            it.error for trial, it in played if trial.seed not in HEARTBEAT.lost
        ):
            break
        envs.close()
    return outcomes


class PlayChunk:
    """Plays chunks; a process caches the loaded agent and the envs of the latest task.

    Args:
        agent: Agent, loaded once with the first chunk.
        suite: Suite of the envs.
        until: Rule by which a trial ends; see ``roll``.
    """

    def __init__(self, agent: Agent, suite: Suite, until: Until) -> None:
        self._actor = KeptActor(agent, suite)
        self._envs = KeptEnvs(suite)
        self._until: Until = until

    def __call__(self, chunk: Chunk) -> Done:
        """Plays a chunk; see ``play``."""
        outcomes = play(self._envs, self._actor.get(), chunk, self._until)
        return Done(outcomes, processor())
