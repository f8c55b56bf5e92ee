"""Construction of policies that store the support, shared by several methods."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from robomtl import checkpoint
from robomtl.adaptation.meta.gradient import material_of
from robomtl.adaptation.method import Adapted
from robomtl.adaptation.support import Support
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.execution.locks import GENERATOR
from robomtl.layers.remembered import RememberingPolicy
from robomtl.policy import Batch, Policy


def card_of(card: Card, policy: str, config: dict[str, Any]) -> Card:
    """A policy's card with another architecture, and cloning as the objective."""
    return replace(
        card, policy=policy, config=config, objective="cloning", objective_config={}
    )


def unconditioned(card: Card) -> Card:
    """A card without conditioning and history: the policy reads the observation alone."""
    conditioning = replace(card.conditioning, kinds=(), demonstration=0, inferred={})
    spec = replace(card.spec, embedding=0, history=1)
    return replace(card, conditioning=conditioning, spec=spec)


def remembering(card: Card, weights: dict[str, Tensor], support: Support) -> Adapted:
    """Builds the policy of a card, loads weights and stores a support in it.

    Args:
        card: Card of a ``RememberingPolicy``.
        weights: Tensors that replace initial ones, by name.
        support: Demonstrations to store.

    Raises:
        ValueError: If the card's settings are out of range or do not fit the weights.
    """
    policy = _built(card, weights)
    policy.remember(_episodes(policy, support, card.conditioning))
    return Adapted(policy, card)


def _built(card: Card, weights: dict[str, Tensor]) -> RememberingPolicy:
    """The policy of a card in evaluation mode, with some of its weights replaced."""
    # Drawing the initial weights must not advance the caller's generator.
    with GENERATOR, torch.random.fork_rng(devices=[]):
        policy = checkpoint.build(card)
    assert isinstance(policy, RememberingPolicy)
    policy.load_state_dict({**policy.state_dict(), **weights})
    return policy.eval().requires_grad_(False)


def _episodes(
    policy: Policy, support: Support, conditioning: Conditioning
) -> list[Batch]:
    """All steps of each demonstration of a support, in order, as chunks of one action.

    Args:
        policy: Policy whose device and history the batches have.
        support: Demonstrations of the task.
        conditioning: Conditioning of the policy; the canonical instruction is used.
    """
    material = material_of(policy, support.demonstrations, conditioning)
    material = replace(material, chunk=1)
    (steps,) = material.in_order(len(material.frames))
    ends = material.frames.episodes.length.cumsum(0).tolist()
    return [_part(steps, slice(*ends_)) for ends_ in pairwise([0, *ends])]


def _part(steps: Batch, rows: slice) -> Batch:
    observation = {name: value[rows] for name, value in steps.observation.items()}
    return Batch(observation, *(value[rows] for value in steps[1:]))
