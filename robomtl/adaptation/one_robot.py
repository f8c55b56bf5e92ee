"""Reduce a policy of several robots to one robot, known or new, before adaptation.

For a known robot the reduced policy keeps the robot's columns of the first layer, its rows
of the head and its statistics, together with trunk and task encoder, and acts as before.
A new robot starts from the projections of a known robot with observations and actions of
the same sizes; if several match, from the one whose policy predicts the actions of the
support best. If none matches, the projections are newly initialised and the statistics
are those of the support.
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
from robomtl.execution.locks import GENERATOR
from robomtl.features import Embodiment
from robomtl.policy import Policy
from robomtl.spec import Spec
from robomtl.suites import suite
from robomtl.training.data_conditioning import goals_in
from robomtl.training.objective import Material

_SAMPLES = 512  # Samples of the support on which candidate robots are compared.


class _Like(NamedTuple):
    """Indices of the robots whose projections are copied; None for new projections."""

    observed: int | None
    """Robot whose columns of the first layer are copied."""
    acted: int | None
    """Robot whose rows of the head are copied."""


def of_one_robot(
    trained: TrainedPolicy, support: Support
) -> tuple[TrainedPolicy, Support]:
    """Policy of the support's robot alone; a single-robot policy is returned unchanged.

    Args:
        trained: Policy of one or several robots; not changed.
        support: Demonstrations of one robot, known to the policy or new.

    Returns:
        The policy, and the support with actions in the form that the policy predicts.

    Raises:
        InputError: If the policy reads a feature that the robot lacks, is conditioned on
            goals of another length, or predicts a shared action that the robot lacks.
    """
    card, demonstrations = trained.card, support.demonstrations
    if len(card.spec.embodiments) == 1:
        return trained, support
    robot = demonstrations.embodiment
    read = {name for each in card.spec.embodiments for name in each.observation}
    card = _card(card, robot.observing(sorted(read)), support)
    if card.spec.alignment is not None:
        action = card.spec.alignment.to_shared(demonstrations.action, 0)
        support = replace(support, demonstrations=demonstrations.acting(action))
    candidates = [
        _reduced(trained, card, like) for like in _candidates(trained.card.spec, robot)
    ]
    policy = (
        candidates[0] if len(candidates) == 1 else _nearest(candidates, card, support)
    )
    policy = policy.to(trained.policy.device).eval().requires_grad_(False)
    return replace(trained, policy=policy, card=card), support


def _card(card: Card, robot: Embodiment, support: Support) -> Card:
    """The card of the policy of one robot."""
    alignment = card.spec.alignment
    if alignment is not None:
        alignment = alignment.for_robot(_described(robot, support))
    spec = replace(
        card.spec, state=0, action=0, embodiments=(robot,), alignment=alignment
    )
    conditioning = card.conditioning
    if "goal" in conditioning.kinds:
        goal, own = goals_in(support.demonstrations, conditioning.kinds)
        conditioning = replace(conditioning, goal=goal, goals=own)
    if conditioning.size != spec.embedding:
        raise InputError(
            f"The policy's task embedding has length {spec.embedding}, and the goal of"
            f" '{support.name}' would make it {conditioning.size}; give demonstrations"
            " whose goals are as long as those of training, or condition on language."
        )
    return replace(card, spec=spec, conditioning=conditioning)


def _described(robot: Embodiment, support: Support) -> Embodiment:
    """The robot with the action description of its suite, if there is one."""
    demonstrations = support.demonstrations
    if demonstrations.suite is None:
        return robot
    described = suite(demonstrations.suite, **demonstrations.suite_options)
    return replace(robot, action=action_of(described, support.name) or robot.action)


def _candidates(spec: Spec, robot: Embodiment) -> list[_Like]:
    """Known robots whose projections a policy of this robot may start from; at least one."""
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
    complete = [like for like in pairs if None not in like]
    if complete:
        return complete
    first = [
        next((i for i in every if i is not None), None)
        for every in zip(*pairs, strict=True)
    ]
    return [_Like(*first)]


def _reduced(trained: TrainedPolicy, card: Card, like: _Like) -> Policy:
    """Policy of one robot with the trunk of a trained one and a robot's projections."""
    with GENERATOR, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = build(card)
    old, new = trained.policy.state_dict(), policy.state_dict()
    cut = _Cut(trained.card.spec, card.spec, like)
    taken = {
        name: part
        for name, tensor in old.items()
        if name in new and (part := cut.part(tensor.cpu(), new[name])) is not None
    }
    if like.observed is not None:
        for name, tensor in old.items():
            bias = f"{name.removesuffix('weight')}bias"
            if name in new and name.endswith("weight") and bias in taken:
                taken[bias] = taken[bias] + cut.constant(tensor.cpu(), new[name])
    policy.load_state_dict({**new, **taken})
    return policy


class _Cut:
    """Slices one robot's rows and columns out of the tensors of a policy of several.

    Args:
        old: Spec of the policy of several robots.
        new: Spec of the policy of one robot.
        like: Robots whose rows and columns are taken.
    """

    def __init__(self, old: Spec, new: Spec, like: _Like) -> None:
        self._old, self._new, self._like = old, new, like
        self._columns = _columns(old, new, like.observed)

    def part(self, tensor: Tensor, new: Tensor) -> Tensor | None:
        """Slice of an old tensor in the shape of the new one; None if there is none."""
        if tensor.shape == new.shape:
            return tensor
        if tensor.ndim == 2 and tensor.shape[0] == new.shape[0]:
            return self._inputs(tensor, new)
        if tensor.shape[1:] == new.shape[1:]:
            return self._outputs(tensor, new)
        return None

    def constant(self, tensor: Tensor, new: Tensor) -> Tensor | float:
        """Column of the robot's one-hot code, which the bias of the new layer absorbs.

        Returns:
            (output,); 0.0 for a layer that does not read observations.
        """
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
        """The robot's columns of a layer that reads observations or actions.

        Further inputs may follow the observation and may begin with an action, padded to
        the longest of all robots. A layer may also read such an action alone.

        Returns:
            (output, input); None if the layer does not match or has no projection to copy.
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
        """The robot's rows of a tensor indexed by states, by robots or by actions.

        Returns:
            None if the tensor does not match or has no projection to copy.
        """
        old, observed, acted = self._old, self._like.observed, self._like.acted
        if (
            len(tensor) == old.state_slices[-1].stop
            and len(new) == self._new.state_slices[-1].stop
        ):
            return None if observed is None else tensor[old.state_slices[observed]]
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
    """Indices of a robot's inputs among those of all robots; None if ``robot`` is None."""
    if robot is None:
        return None
    width, images = old.vision.features, [*old.images]
    states = old.state_slices[-1].stop
    once = [*range(*old.state_slices[robot].indices(states))]
    for name in new.images:
        first = states + width * images.index(name)
        once += range(first, first + width)
    goals = old.inputs - width * len(old.goals)
    shown = [*old.goals]
    columns = [
        time * old.observed + index for time in range(old.history) for index in once
    ]
    for name in new.goals:
        first = goals + width * shown.index(name)
        columns += range(first, first + width)
    return columns


def _nearest(candidates: Sequence[Policy], card: Card, support: Support) -> Policy:
    """The policy with the smallest loss on the support."""
    material = _material(candidates[0], card, support)
    batch = sampler_of(material, Generator().manual_seed(0)).batch(0, _SAMPLES)
    with GENERATOR, torch.random.fork_rng(devices=[]), torch.no_grad():
        losses = [
            float(policy.eval().loss(batch).per_sample.mean()) for policy in candidates
        ]
    return candidates[losses.index(min(losses))]


def _material(policy: Policy, card: Card, support: Support) -> Material:
    return material_of(
        policy,
        support.demonstrations,
        card.conditioning,
        instruction_augmentation=InstructionAugmentation(mixing=0.0, noise=0.0),
    )
