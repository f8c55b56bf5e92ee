"""The demonstration to request next: that of the start about which least is known.

Before a demonstration is given, all that is known of a variation is its start. So the
policy predicts the variance of its first action there; the variation with the greatest
variance is demonstrated and learned, and the policy predicts again. For a Gaussian last layer that is the start whose first action has the most
information about the layer (MacKay 1992, "Information-Based Objective Functions for
Active Data Selection"); what the rest of the demonstration tells is left out.
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
    """Learns from the requested demonstrations and predicts the variance of all candidates."""

    def __call__(self, requested: Sequence[int]) -> Tensor:
        """Variance of each candidate, given those requested so far; (candidate,)."""
        ...


def greedy(sureness: Sureness, count: int) -> list[int]:
    """Candidates in the order in which to request them, each at most once.

    Args:
        sureness: Called anew after each choice; at first with none.
        count: How many to request.
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
    """The predictive variance of a policy in some states [squared action]; (state,).

    Args:
        policy: Adapted by ``alpaca``.
        conditioning: Conditioning of the policy.
        state: (state, feature).
        task_info: Task and instruction that it is conditioned on.

    Raises:
        ValueError: If the policy does not know how sure it is.
    """
    fixed = conditioning.fixed([task_info]).expand(len(state), -1)
    embedding = conditioning.embedding(fixed, state)
    return predictive_variance(policy, {"state": state}, embedding)


def most_uncertain(
    trained: TrainedPolicy, candidates: Tensor, task_info: TaskInfo
) -> int:
    """The candidate of which the policy knows least, by its start.

    Args:
        trained: Adapted by ``alpaca``.
        candidates: The state at the start of each; (candidate, state).
        task_info: Task and instruction that the policy is conditioned on.

    Raises:
        InputError: If there is no candidate, or the policy does not know how sure it is.
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
    """The demonstrations that a policy requests, one after the other.

    Only the start of a demonstration is read before the demonstration is requested. The first is
    the one of which the policy knows least as it was trained.

    Args:
        trained: With or without a meta-trained prior; adapted by ``alpaca`` on the way.
        demonstrations: Those that could be given.
        task: Name of the task.
        shots: How many to request.
        method: Its settings.

    Raises:
        InputError: If the task is unknown, or there are fewer demonstrations.
    """
    there = demonstrations.select(tasks=[task])
    if not 1 <= shots <= len(there):
        raise InputError(
            f"shots is {shots}; '{task}' has {len(there)} demonstrations in"
            f" {there.path}, so request 1 to {len(there)}."
        )
    starts = torch.from_numpy(there.state[there.episodes.start])
    task_info = TaskInfo(task, Support(demonstrations=there).task.instruction)
    learner, conditioning = method or Alpaca(), trained.card.conditioning

    def sureness(requested: Sequence[int]) -> Tensor:
        policy: Policy = learner.believing(trained.policy)
        if requested:
            given = Support(demonstrations=there.take(requested))
            policy = learner.adapt(trained, given, Budget(), Generator()).policy
        return variance_at(policy, conditioning, starts, task_info)

    return Support(demonstrations=there.take(greedy(sureness, shots)))
