"""A policy of several robots as a policy of one of them, or of one that it never saw.

Adaptation is to one robot. What a policy of several robots has for that robot, its columns of
the first layer, its rows of the head and its statistics, becomes a policy of this robot
alone, which acts as before; trunk and task encoder are taken as they are. A robot that the
policy never saw begins with the projections of a known one that observes and acts in as many
numbers: of several, the one whose policy predicts the actions of the support best. Where none
fits, projections are new and statistics are those of the support.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from robomtl.adaptation.meta.gradient import material_of, sampler_of
from robomtl.adaptation.support import Support
from robomtl.alignment import action_of
from robomtl.checkpoint import Card, TrainedPolicy, build
from robomtl.conditioning import InstructionAugmentation
from robomtl.errors import InputError
from robomtl.execution.alone import GENERATOR
from robomtl.features import Embodiment
from robomtl.policy import Policy
from robomtl.spec import Spec
from robomtl.suites import suite
from robomtl.training.data_conditioning import goals_in
from robomtl.training.objective import Material

_SAMPLES = 512  # Of a support, by which the nearest robot is found.


class _Like(NamedTuple):
    """The robots whose projections a policy begins with, by their index; None for new ones."""

    observed: int | None
    acted: int | None


def of_one_robot(
    trained: TrainedPolicy, support: Support
) -> tuple[TrainedPolicy, Support]:
    """The policy for the robot of some demonstrations; one of a single robot as it is.

    Args:
        trained: Left as it is.
        support: Demonstrations of the robot, known or not.

    Returns:
        The policy, and the support with the actions that it predicts.

    Raises:
        InputError: If the policy reads a feature that the robot lacks, is conditioned on
            goals of another length, or shares an action that the robot does not have.
    """
    card, given = trained.card, support.demonstrations
    if len(card.spec.embodiments) == 1:
        return trained, support
    robot = given.embodiment
    read = {name for each in card.spec.embodiments for name in each.observation}
    card = _card(card, robot.observing(sorted(read)), support)
    if card.spec.alignment is not None:
        action = card.spec.alignment.shared(given.action, 0)
        support = replace(support, demonstrations=given.acting(action))
    made = [
        _made(trained, card, like) for like in _candidates(trained.card.spec, robot)
    ]
    policy = made[0] if len(made) == 1 else _nearest(made, card, support)
    policy = policy.to(trained.policy.device).eval().requires_grad_(False)
    return replace(trained, policy=policy, card=card), support


def _card(card: Card, robot: Embodiment, support: Support) -> Card:
    """The card of the policy of one robot."""
    alignment = card.spec.alignment
    if alignment is not None:
        alignment = alignment.of(_described(robot, support))
    spec = replace(
        card.spec, state=0, action=0, embodiments=(robot,), alignment=alignment
    )
    conditioning = card.conditioning
    if "goal" in conditioning.kinds:
        goal, own = goals_in(support.demonstrations, conditioning.kinds)
        conditioning = replace(conditioning, goal=goal, goals=own)
    if conditioning.size != spec.embedding:
        raise InputError(
            f"The policy is conditioned on {spec.embedding} numbers, of which the goal of"
            f" '{support.name}' would make {conditioning.size}; give demonstrations whose"
            " goals are as long as those of training, or condition on language."
        )
    return replace(card, spec=spec, conditioning=conditioning)


def _described(robot: Embodiment, support: Support) -> Embodiment:
    """The robot with what its suite says of its actions."""
    given = support.demonstrations
    if given.suite is None:
        return robot
    made = suite(given.suite, **given.suite_options)
    return replace(robot, action=action_of(made, support.name) or robot.action)


def _candidates(spec: Spec, robot: Embodiment) -> list[_Like]:
    """The known robots that a policy of one robot may begin with."""
    names = [each.name for each in spec.embodiments]
    if robot.name in names and not robot.lacks(
        spec.embodiments[spec.index(robot.name)]
    ):
        known = spec.index(robot.name)
        return [_Like(known, known)]
    pairs = [
        _Like(
            index
            if each.observation.keys() <= robot.observation.keys()
            and each.states == {n: robot.states[n] for n in each.states}
            else None,
            index
            if spec.alignment is not None or each.action.size == robot.action.size
            else None,
        )
        for index, each in enumerate(spec.embodiments)
    ]
    whole = [like for like in pairs if None not in like]
    if whole:
        return whole
    first = [
        next((i for i in every if i is not None), None)
        for every in zip(*pairs, strict=True)
    ]
    return [_Like(*first)]


def _made(trained: TrainedPolicy, card: Card, like: _Like) -> Policy:
    """A policy of one robot with the weights of another one's projections."""
    with GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = build(card)
    old, new = trained.policy.state_dict(), policy.state_dict()
    cut = _Cut(trained.card.spec, card.spec, like)
    taken = {
        name: part
        for name, there in old.items()
        if name in new and (part := cut.part(there.cpu(), new[name])) is not None
    }
    if like.observed is not None:
        for name, there in old.items():
            bias = f"{name.removesuffix('weight')}bias"
            if name in new and name.endswith("weight") and bias in taken:
                taken[bias] = taken[bias] + cut.constant(there.cpu(), new[name])
    policy.load_state_dict({**new, **taken})
    return policy


class _Cut:
    """Cuts what one robot has out of the tensors of a policy of several.

    Args:
        old: Of the policy of several robots.
        new: Of the policy of one.
        like: The robots whose parts are taken.
    """

    def __init__(self, old: Spec, new: Spec, like: _Like) -> None:
        self._old, self._new, self._like = old, new, like
        self._columns = _columns(old, new, like.observed)

    def part(self, tensor: Tensor, new: Tensor) -> Tensor | None:
        """The old policy's part that a tensor of the new one is; None if it is new."""
        if tensor.shape == new.shape:
            return tensor
        if tensor.ndim == 2 and tensor.shape[0] == new.shape[0]:
            return self._inputs(tensor, new)
        if tensor.shape[1:] == new.shape[1:]:
            return self._outputs(tensor, new)
        return None

    def constant(self, tensor: Tensor, new: Tensor) -> Tensor | float:
        """The constant that the robot's code adds to a layer that reads observations."""
        if tensor.ndim != 2 or tensor.shape == new.shape:
            return 0.0
        old, more = self._old.inputs, new.shape[1] - self._new.inputs
        longer = self._old.action - self._new.action
        if tensor.shape[1] not in (old + more, old + more + longer):
            return 0.0
        assert self._like.observed is not None
        goals = self._old.vision.features * len(self._old.goals)
        robots = len(self._old.embodiments)
        return tensor[:, old - goals - robots + self._like.observed]

    def _inputs(self, tensor: Tensor, new: Tensor) -> Tensor | None:
        """Columns of a layer that reads the observation, and perhaps more after it.

        What comes after it may begin with an action, which is filled up with zeros where
        another robot has a longer one, and be that alone.
        """
        size, longest = self._new.action, self._old.action
        if (tensor.shape[1], new.shape[1]) == (longest, size):
            return tensor[:, :size]
        before, more = self._old.inputs, new.shape[1] - self._new.inputs
        rest = list(range(before, tensor.shape[1]))
        if len(rest) == more - size + longest:
            del rest[size:longest]
        if self._columns is None or len(rest) != more:
            return None
        return tensor[:, self._columns + rest]

    def _outputs(self, tensor: Tensor, new: Tensor) -> Tensor | None:
        """Rows of a layer of actions, or entries of states or robots."""
        old, observed, acted = self._old, self._like.observed, self._like.acted
        if len(tensor) == old.places[-1].stop and len(new) == self._new.places[-1].stop:
            return None if observed is None else tensor[old.places[observed]]
        if len(tensor) == len(old.embodiments) and len(new) == 1:
            return None if observed is None else tensor[observed : observed + 1]
        every, own = sum(old.actions), self._new.action
        count, rest = divmod(len(tensor) - len(new), every - own)
        before = len(tensor) - count * every
        if acted is None or rest or count < 1 or before != len(new) - count * own:
            return None
        start = sum(old.actions[:acted])
        rows = [
            before + block * every + start + component
            for block in range(count)
            for component in range(own)
        ]
        return tensor[[*range(before), *rows]]


def _columns(old: Spec, new: Spec, robot: int | None) -> list[int] | None:
    """The inputs of a policy of several robots that are one robot's; None for none."""
    if robot is None:
        return None
    width, images = old.vision.features, [*old.images]
    states = old.places[-1].stop
    once = [*range(*old.places[robot].indices(states))]
    for name in new.images:
        first = states + width * images.index(name)
        once += range(first, first + width)
    goals = old.inputs - width * len(old.goals)
    shown = [*old.goals]
    columns = [
        time * old.observed + place for time in range(old.history) for place in once
    ]
    for name in new.goals:
        first = goals + width * shown.index(name)
        columns += range(first, first + width)
    return columns


def _nearest(made: Sequence[Policy], card: Card, support: Support) -> Policy:
    """The policy that predicts the actions of the support best."""
    material = _material(made[0], card, support)
    batch = sampler_of(material, Generator().manual_seed(0)).batch(0, _SAMPLES)
    with GENERATOR, torch.random.fork_rng(devices=[]), torch.no_grad():
        losses = [float(policy.eval().loss(batch).per_sample.mean()) for policy in made]
    return made[losses.index(min(losses))]


def _material(policy: Policy, card: Card, support: Support) -> Material:
    return material_of(
        policy,
        support.demonstrations,
        card.conditioning,
        instruction_augmentation=InstructionAugmentation(mixing=0.0, noise=0.0),
    )
