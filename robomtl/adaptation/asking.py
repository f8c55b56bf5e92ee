"""Which demonstration to ask for next: that of the start about which least is known.

Before a demonstration is given, all that is known of a variation is its start. So the
policy is asked how sure it is of the action it would begin with, there; the variation
with the greatest predictive variance is demonstrated, learned, and the policy is asked
again. For a Gaussian last layer that is the start whose first action has the most
information about the layer (MacKay 1992, "Information-Based Objective Functions for
Active Data Selection"); what the rest of the demonstration tells is left out.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from robomtl.actor import TaskInfo
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

    def __call__(self, asked: Sequence[int]) -> Tensor:
        """Variance of each candidate, given those requested so far; (candidate,)."""
        ...


def greedy(sureness: Sureness, count: int) -> list[int]:
    """Candidates in the order in which to ask for them, each at most once.

    Args:
        sureness: Asked anew after each choice; at first with none.
        count: How many to ask for.
    """
    asked: list[int] = []
    for _ in range(count):
        variance = sureness(asked).clone()
        variance[asked] = -torch.inf
        asked.append(int(variance.argmax()))
    return asked


def variance_at(
    policy: Policy, conditioning: Conditioning, state: Tensor, told: TaskInfo
) -> Tensor:
    """The predictive variance of a policy in some states [squared action]; (state,).

    Args:
        policy: Adapted by ``alpaca``.
        conditioning: Conditioning of the policy.
        state: (state, feature).
        told: Task and instruction that it is conditioned on.

    Raises:
        ValueError: If the policy does not know how sure it is.
    """
    fixed = conditioning.fixed([told]).expand(len(state), -1)
    embedding = conditioning.embedding(fixed, state)
    return predictive_variance(policy, {"state": state}, embedding)


def most_uncertain(trained: TrainedPolicy, candidates: Tensor, told: TaskInfo) -> int:
    """The candidate of which the policy knows least, by its start.

    Args:
        trained: Adapted by ``alpaca``.
        candidates: The state at the start of each; (candidate, state).
        told: Task and instruction that the policy is conditioned on.

    Raises:
        InputError: If there is no candidate, or the policy does not know how sure it is.
    """
    if not len(candidates):
        raise InputError("There is no candidate to ask for; give at least 1.")
    conditioning = trained.card.conditioning
    variance = variance_at(trained.policy, conditioning, candidates, told)
    return int(variance.argmax())


def active_support(
    trained: TrainedPolicy,
    demonstrations: Demonstrations,
    task: str,
    *,
    shots: int,
    method: Alpaca | None = None,
) -> Support:
    """The demonstrations that a policy asks for, one after the other.

    Only the start of a demonstration is read before the demonstration is requested. The first is
    the one of which the policy knows least as it was trained.

    Args:
        trained: With or without a meta-trained prior; adapted by ``alpaca`` on the way.
        demonstrations: Those that could be given.
        task: Name of the task.
        shots: How many to ask for.
        method: Its settings.

    Raises:
        InputError: If the task is unknown, or there are fewer demonstrations.
    """
    there = demonstrations.select(tasks=[task])
    if not 1 <= shots <= len(there):
        raise InputError(
            f"shots is {shots}; '{task}' has {len(there)} demonstrations in"
            f" {there.path}, so ask for 1 to {len(there)}."
        )
    starts = torch.from_numpy(there.state[there.episodes.start])
    told = TaskInfo(task, Support(demonstrations=there).task.instruction)
    learner, conditioning = method or Alpaca(), trained.card.conditioning

    def sureness(asked: Sequence[int]) -> Tensor:
        policy: Policy = learner.believing(trained.policy)
        if asked:
            given = Support(demonstrations=there.take(asked))
            policy = learner.adapt(trained, given, Budget(), Generator()).policy
        return variance_at(policy, conditioning, starts, told)

    return Support(demonstrations=there.take(greedy(sureness, shots)))
