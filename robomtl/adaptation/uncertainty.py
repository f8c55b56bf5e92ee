"""Failure prediction: does a policy's early predictive variance tell which trials fail?"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from robomtl.acting.actor import Actor, TaskInfo
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.adaptation.meta.last_layer import predictive_variance
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.evaluation.kept import KeptEnvs
from robomtl.evaluation.rollout import Outcome, roll
from robomtl.evaluation.trials import Chunk
from robomtl.policy import Policy
from robomtl.task import Observation, Suite, Trial

EARLY = 20
"""Number of first steps of a trial from which its failure is predicted."""


def auroc(scores: ArrayLike, failed: ArrayLike) -> float:
    """Probability that a failed trial has a higher score than a successful one (AUROC).

    The area under the receiver operating characteristic: the Mann-Whitney U statistic
    divided by the number of pairs; ties count half. 0.5 is chance, 1 is perfect.

    Args:
        scores: Higher for trials expected to fail; any scale; (trial,).
        failed: True for failed trials; (trial,).

    Raises:
        InputError: If all trials failed or none did, or a score is not a number.
    """
    values, outcome = np.asarray(scores, np.float64), np.asarray(failed, np.bool_)
    failures = int(outcome.sum())
    successes = len(outcome) - failures
    if not failures or not successes:
        raise InputError(
            f"{failures} of {len(outcome)} trials failed; the AUROC compares failed"
            " trials with successful ones and needs both."
        )
    if np.isnan(values).any():
        raise InputError("A score is not a number; leave out trials without a score.")
    ranks = rankdata(values)
    above = ranks[outcome].sum() - failures * (failures + 1) / 2
    return float(above / (failures * successes))


class WatchedActor:
    """Wraps an actor and records the predictive variance of its action at each step.

    Args:
        actor: Actor that chooses the actions.
        policy: The actor's policy, with a Gaussian last layer.
        conditioning: Conditioning of the policy.
    """

    def __init__(
        self, actor: Actor, policy: Policy, conditioning: Conditioning
    ) -> None:
        self._actor, self._policy = actor, policy
        self._conditioning = conditioning
        self._fixed = torch.zeros(0, 0)
        self._variances: list[NDArray[np.float64]] = []

    def start(self, trials: Sequence[Trial], task_infos: Sequence[TaskInfo]) -> None:
        """Discards the record of earlier trials and starts new ones."""
        self._fixed = self._conditioning.fixed(task_infos)
        self._variances = []
        self._actor.start(trials, task_infos)

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions within [-1, 1] for every trial; (trial, action)."""
        states = np.stack([observation["state"] for observation in observations])
        state = torch.from_numpy(states.astype(np.float32))
        embedding = self._conditioning.embedding(self._fixed, state)
        variance = predictive_variance(
            self._policy, {"state": state}, embedding
        ).numpy()
        self._variances.append(np.where(running, variance, np.nan))
        return self._actor(observations, running)

    @property
    def variance(self) -> NDArray[np.float64]:
        """Predictive variance [squared action], NaN after a trial's end; (trial, step)."""
        if not self._variances:  # Every env failed before its first step.
            return np.zeros((len(self._fixed), 0))
        return np.stack(self._variances, axis=1)


def early_variance(
    variance: NDArray[np.float64], steps: int = EARLY
) -> NDArray[np.float64]:
    """Mean variance over the first steps of each trial.

    Args:
        variance: NaN after the end of a trial; (trial, step).
        steps: Number of first steps to average.

    Returns:
        Shape (trial,); NaN for a trial without steps.
    """
    early = variance[:, :steps]
    count = (~np.isnan(early)).sum(axis=1)
    mean: NDArray[np.float64] = np.nansum(early, axis=1) / np.maximum(count, 1)
    mean[count == 0] = np.nan
    return mean


def watch(
    trained: TrainedPolicy, suite: Suite, chunks: Sequence[Chunk]
) -> tuple[NDArray[np.float64], list[Outcome]]:
    """Early variance and outcome of each trial of a policy, run in this process.

    Args:
        trained: Policy adapted by ``alpaca``.
        suite: Suite that makes the envs.
        chunks: Trials to run, as ``robomtl.evaluation.trials.split_into_chunks`` returns them.

    Returns:
        Early variances, (trial,), NaN where the simulator failed before the first step;
        and the outcomes of the trials. Both are in the order of the chunks.

    Raises:
        ValueError: If the policy has no Gaussian last layer.
    """
    conditioning = trained.card.conditioning
    acting = PolicyActor(trained.card, Predictor(trained.policy), suite)
    actor = WatchedActor(acting, trained.policy, conditioning)
    envs, scores, outcomes = KeptEnvs(suite), [np.zeros(0)], []
    try:
        for chunk in chunks:
            outcomes += roll(envs.of(chunk.task, len(chunk.trials)), actor, chunk)
            scores.append(early_variance(actor.variance)[: len(chunk.trials)])
    finally:
        envs.close()
    return np.concatenate(scores), outcomes
