"""Active learning: request the demonstration whose start the policy is least sure about.

Only the initial state of a variation is known before it is demonstrated. The policy
predicts the variance of its first action in each initial state; the variation with the
greatest variance is demonstrated, the policy adapts to it and predicts again. For a
Gaussian last layer this is the initial state whose first action carries the most
information about the layer (MacKay 1992, "Information-Based Objective Functions for
Active Data Selection"); the information in later steps is ignored.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from robomtl.acting.actor import TaskInfo
from robomtl.adaptation.meta.last_layer import predictive_variance
from robomtl.adaptation.method import Budget
from robomtl.adaptation.methods.alpaca import Alpaca
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.policy import Policy


class Sureness(Protocol):
    """Adapts to the requested demonstrations and predicts each candidate's variance."""

    def __call__(self, requested: Sequence[int]) -> Tensor:
        """Variance of each candidate after adapting to the requested ones; (candidate,)."""
        ...


def greedy(sureness: Sureness, count: int) -> list[int]:
    """Indices of candidates in the order in which to request them, each at most once.

    Args:
        sureness: Called before each choice with the indices chosen so far.
        count: Number of candidates to request.
    """
    requested: list[int] = []
    for _ in range(count):
        variance = sureness(requested).clone()
        variance[requested] = -torch.inf
        requested.append(int(variance.argmax()))
    return requested


def variance_at(
    policy: Policy, conditioning: Conditioning, state: Tensor, task_info: TaskInfo
) -> Tensor:
    """Predictive variance of a policy's action in each state [squared action]; (state,).

    Args:
        policy: Policy with a Gaussian last layer, as ``alpaca`` adapts it.
        conditioning: Conditioning of the policy.
        state: (state, feature).
        task_info: Task and instruction that the policy is conditioned on.

    Raises:
        ValueError: If the policy has no Gaussian last layer.
    """
    fixed = conditioning.fixed([task_info]).expand(len(state), -1)
    embedding = conditioning.embedding(fixed, state)
    return predictive_variance(policy, {"state": state}, embedding)


def most_uncertain(
    trained: TrainedPolicy, candidates: Tensor, task_info: TaskInfo
) -> int:
    """Index of the candidate whose initial state has the greatest predictive variance.

    Args:
        trained: Policy adapted by ``alpaca``.
        candidates: Initial state of each candidate; (candidate, state).
        task_info: Task and instruction that the policy is conditioned on.

    Raises:
        InputError: If there is no candidate, or the policy has no Gaussian last layer.
    """
    if not len(candidates):
        raise InputError("There is no candidate to request; give at least 1.")
    conditioning = trained.card.conditioning
    variance = variance_at(trained.policy, conditioning, candidates, task_info)
    return int(variance.argmax())


def active_support(
    trained: TrainedPolicy,
    demonstrations: Demonstrations,
    task: str,
    *,
    shots: int,
    method: Alpaca | None = None,
) -> Support:
    """Support of the demonstrations that a policy requests one after the other.

    Only the initial state of a demonstration is read before it is requested. The first
    request is made by the policy as trained, before any adaptation.

    Args:
        trained: Policy with or without a meta-trained prior; ``alpaca`` adapts copies.
        demonstrations: Data set to request from.
        task: Name of the task.
        shots: Number of demonstrations to request.
        method: Settings of ``alpaca``; the defaults if None.

    Raises:
        InputError: If the task is unknown or has fewer demonstrations.
    """
    available = demonstrations.select(tasks=[task])
    if not 1 <= shots <= len(available):
        raise InputError(
            f"shots is {shots}; '{task}' has {len(available)} demonstrations in"
            f" {available.path}, so request 1 to {len(available)}."
        )
    starts = torch.from_numpy(available.state[available.episodes.start])
    task_info = TaskInfo(task, Support(demonstrations=available).task.instruction)
    learner, conditioning = method or Alpaca(), trained.card.conditioning

    def sureness(requested: Sequence[int]) -> Tensor:
        policy: Policy = learner.believing(trained.policy)
        if requested:
            support = Support(demonstrations=available.take(requested))
            policy = learner.adapt(trained, support, Budget(), Generator()).policy
        return variance_at(policy, conditioning, starts, task_info)

    return Support(demonstrations=available.take(greedy(sureness, shots)))
