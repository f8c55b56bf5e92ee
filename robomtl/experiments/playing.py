"""Trials of a policy that a cell has made."""

from collections.abc import Sequence

from robomtl.acting.actor import Actor
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.checkpoint import TrainedPolicy
from robomtl.evaluation.instructions import task_infos_of
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.trials import deal, side_by_side
from robomtl.evaluation.work import KeptEnvs, play
from robomtl.task import Suite, Trial


def play_trials(
    trained: TrainedPolicy, suite: Suite, trials: Sequence[Trial], envs: KeptEnvs
) -> list[Outcome]:
    """How each trial went; it stops at success.

    Args:
        trained: Acts on the canonical instructions.
        suite: Supplies the tasks.
        trials: Those of a task side by side.
        envs: In which they are played.
    """
    actor = PolicyActor(trained.card, Predictor(trained.policy), suite)
    return play_with(actor, suite, trials, envs)


def play_with(
    actor: Actor, suite: Suite, trials: Sequence[Trial], envs: KeptEnvs
) -> list[Outcome]:
    """How each trial of an actor went; see ``play_trials``."""
    task_infos = task_infos_of(suite, trials, "canonical")
    return [
        outcome
        for chunk in deal(trials, task_infos, side_by_side(suite))
        for outcome in play(envs, actor, chunk, "success")
    ]
