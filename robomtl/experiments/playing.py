"""Plays the trials of a cell with the policy that it has trained."""

from collections.abc import Sequence

from robomtl.acting.actor import Actor
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.checkpoint import TrainedPolicy
from robomtl.evaluation.instructions import task_infos_of
from robomtl.evaluation.kept import KeptEnvs
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.trials import side_by_side, split_into_chunks
from robomtl.evaluation.work import play
from robomtl.task import Suite, Trial


def play_trials(
    trained: TrainedPolicy, suite: Suite, trials: Sequence[Trial], envs: KeptEnvs
) -> list[Outcome]:
    """Outcomes of the trials, each of which ends at its first success.

    Args:
        trained: Policy that acts, conditioned on the canonical instructions.
        suite: Supplies the tasks.
        trials: Trials, grouped by task.
        envs: Envs in which they are played.
    """
    actor = PolicyActor(trained.card, Predictor(trained.policy), suite)
    return play_with(actor, suite, trials, envs)


def play_with(
    actor: Actor, suite: Suite, trials: Sequence[Trial], envs: KeptEnvs
) -> list[Outcome]:
    """Outcomes of an actor's trials; see ``play_trials``."""
    task_infos = task_infos_of(suite, trials, "canonical")
    return [
        outcome
        for chunk in split_into_chunks(trials, task_infos, side_by_side(suite))
        for outcome in play(envs, actor, chunk, "success")
    ]
