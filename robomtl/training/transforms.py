"""Transforms of samples: tensor functions of the numbers drawn for each sample."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Transform:
    """Transforms of some samples; None for those that are not applied.

    They are applied in this order: start, new goal, mirroring, rotation, translation, mask.
    """

    changed: Tensor | None = None
    """Whether each sample is augmented at all; all if None; bool, (sample,)."""
    start: Tensor | None = None
    """Displacement of the start of the hand's path [m]; (sample, 2)."""
    shift: Tensor | None = None
    """Translation, which is added to the state; (sample, state)."""
    sign: Tensor | None = None
    """Mirroring: factors of the state, 1 or -1; (sample, state)."""
    angle: Tensor | None = None
    """Angle of rotation of each component of the state [rad], together with the component
    in ``paired`` and around its centre; (sample, state)."""
    paired: Tensor | None = None
    """Index of the component that each one is rotated with; (sample, state)."""
    centre: Tensor | None = None
    """Centre of rotation of each component; (sample, state)."""
    turn: Tensor | None = None
    """Matrix that multiplies the actions; (sample, action, action)."""
    positive: tuple[tuple[int, Tensor], ...] = ()
    """Indices at which quaternions start that are signed so that their largest component is
    positive, and whether each sample has one there; (sample,)."""
    keep: Tensor | None = None
    """Mask: factors of the state, 0 for masked objects; (sample, state)."""
    ahead: Tensor | None = None
    """Time of the new goal, from 0 for the next step to 1 for the last step of the episode;
    negative if the goal is not relabelled; (sample,)."""
    achieved: Tensor | None = None
    """Index of the component of the later state that replaces each component if the goal is
    relabelled; (sample, state)."""
    goal_image: Tensor | None = None
    """Time of the goal image, as ``ahead``; negative if it is withheld; (sample,)."""

    def repeated(self, times: int) -> "Transform":
        """Each sample's transform repeated ``times`` times in a row; (sample · times, …)."""
        return self._map(lambda part: part.repeat_interleave(times, 0))

    def of(self, samples: slice) -> "Transform":
        """The transforms of some of the samples."""
        return self._map(lambda part: part[samples])

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Transform":
        """The transforms with a function applied to each tensor, (sample, …)."""
        parts = {
            name: change(part)
            for name, part in vars(self).items()
            if isinstance(part, Tensor)
        }
        positive = tuple((start, change(mask)) for start, mask in self.positive)
        return replace(self, **parts, positive=positive)

    def later(self, frame: Tensor, steps_left: Tensor) -> Tensor:
        """The frames at which new goals are achieved; (sample,).

        Args:
            frame: Index of each sample's frame; (sample,).
            steps_left: Steps left in the sample's episode, its frame included; (sample,).
        """
        if self.ahead is None:
            return frame
        return frame + steps_ahead(self.ahead.clamp(min=0), steps_left)

    def state(self, state: Tensor, later: Tensor | None = None) -> Tensor:
        """Transformed states, except for ``start``; (sample, state).

        Args:
            state: States; (sample, state).
            later: States in which new goals are achieved; (sample, state). If None, goals
                are not relabelled.
        """
        if self.ahead is not None and later is not None:
            assert self.achieved is not None
            new = later.gather(1, self.achieved)
            components = torch.arange(state.shape[1], device=state.device)
            relabelled = (self.ahead >= 0)[:, None] & (self.achieved != components)
            state = torch.where(relabelled, new, state)
        if self.sign is not None:
            state = state * self.sign
            for start, mask in self.positive:
                part = state[:, start : start + 4]
                largest = part.gather(1, part.abs().argmax(1, keepdim=True))
                part *= torch.where(mask[:, None] & (largest < 0), -1.0, 1.0)
        if self.angle is not None:
            state = self._turned(state)
        if self.shift is not None:
            state = state + self.shift
        return state if self.keep is None else state * self.keep

    def _turned(self, state: Tensor) -> Tensor:
        assert self.angle is not None
        assert self.paired is not None
        assert self.centre is not None
        centred = state - self.centre
        along, across = self.angle.cos(), self.angle.sin()
        return along * centred + across * centred.gather(1, self.paired) + self.centre

    def action(self, action: Tensor) -> Tensor:
        """Transformed actions, clipped to [-1, 1]; (sample, chunk, action)."""
        if self.turn is not None:
            action = torch.bmm(action, self.turn.mT)
        return action.clamp(-1, 1)


def steps_ahead(ahead: Tensor, steps_left: Tensor) -> Tensor:
    """Steps until a goal is achieved, 0 at the last step of an episode; (sample,).

    Args:
        ahead: Time of the goal, from 0 for the next step to 1 for the last; (sample,).
        steps_left: Steps left in the episode, the current one included; (sample,).
    """
    most = steps_left - 1
    steps = 1 + (ahead * most).long()
    return steps.minimum(most)


def signed_permutations(size: int) -> Tensor:
    """Every signed permutation of axes; (size! · 2^size, size, size)."""
    eye = torch.eye(size)
    return torch.stack(
        [
            eye[list(order)] * torch.tensor(signs)[:, None]
            for order in itertools.permutations(range(size))
            for signs in itertools.product((1.0, -1.0), repeat=size)
        ]
    )


def rotations(angle: Tensor) -> Tensor:
    """Rotations of x and y; (sample,) -> (sample, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)
