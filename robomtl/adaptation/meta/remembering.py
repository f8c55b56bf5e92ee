"""Policies that remember a support set: what methods that make them have in common."""

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
from robomtl.execution.alone import GENERATOR
from robomtl.layers.remembered import RememberingPolicy
from robomtl.policy import Batch, Policy


def card_of(card: Card, policy: str, config: dict[str, Any]) -> Card:
    """A policy's card, with another architecture and the same conditioning."""
    return replace(
        card, policy=policy, config=config, objective="cloning", objective_config={}
    )


def unconditioned(card: Card) -> Card:
    """The card of a policy that reads the present observation alone, and no task."""
    conditioning = replace(card.conditioning, kinds=(), demonstration=0, inferred={})
    spec = replace(card.spec, embedding=0, history=1)
    return replace(card, conditioning=conditioning, spec=spec)


def remembering(card: Card, weights: dict[str, Tensor], support: Support) -> Adapted:
    """The policy of a card, with these weights, that remembers a support.

    Raises:
        ValueError: If the card's settings are out of range or do not fit the weights.
    """
    policy = _built(card, weights)
    policy.remember(_episodes(policy, support, card.conditioning))
    return Adapted(policy, card)


def _built(card: Card, weights: dict[str, Tensor]) -> RememberingPolicy:
    """The remembering policy of a card, with these weights where it has any."""
    # Initial weights would be drawn.
    with GENERATOR, torch.random.fork_rng(devices=[]):
        policy = checkpoint.build(card)
    assert isinstance(policy, RememberingPolicy)
    policy.load_state_dict({**policy.state_dict(), **weights})
    return policy.eval().requires_grad_(False)


def _episodes(
    policy: Policy, support: Support, conditioning: Conditioning
) -> list[Batch]:
    """The demonstrations of a support, each with all its steps, of one action, in order.

    Args:
        policy: Takes them.
        support: Has the demonstrations.
        conditioning: On the task by its canonical instruction.
    """
    material = material_of(policy, support.demonstrations, conditioning)
    material = replace(material, chunk=1)
    (steps,) = material.in_order(len(material.frames))
    ends = material.frames.episodes.length.cumsum(0).tolist()
    return [_part(steps, slice(*ends_)) for ends_ in pairwise([0, *ends])]


def _part(steps: Batch, rows: slice) -> Batch:
    observation = {name: value[rows] for name, value in steps.observation.items()}
    return Batch(observation, *(value[rows] for value in steps[1:]))
