"""How samples are changed: tensor functions of what was drawn for each."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Transform:
    """How each of some samples is changed; None for what stays."""

    changed: Tensor | None = None
    """Which samples are changed at all, all if None; bool, (sample,)."""
    start: Tensor | None = None
    """Displacement of the start of the hand's path, applied first; (sample, 2)."""
    shift: Tensor | None = None
    """What is added to the state; (sample, state)."""
    sign: Tensor | None = None
    """Factors of the state, applied first; (sample, state)."""
    angle: Tensor | None = None
    """Angle [rad] by which each number is rotated, with that ``beside`` it, around its
    centre; (sample, state)."""
    beside: Tensor | None = None
    """Index of the number that each is turned with; (sample, state)."""
    centre: Tensor | None = None
    """Around what each number is turned; (sample, state)."""
    turn: Tensor | None = None
    """What actions are multiplied by; (sample, action, action)."""
    positive: tuple[tuple[int, Tensor], ...] = ()
    """Where quaternions start whose largest number is to be positive, and which samples
    have one there; (sample,)."""
    keep: Tensor | None = None
    """What the state is multiplied by in the end; (sample, state)."""
    ahead: Tensor | None = None
    """How far ahead the new goal is achieved, from 0, the next step, to 1, the last of
    the episode; negative where the goal stays. (sample,)"""
    achieved: Tensor | None = None
    """What of a later state each number becomes where the goal is new; (sample, state)."""
    goal_image: Tensor | None = None
    """How far ahead the goal image is taken, as ``ahead``, negative where it is withheld;
    of shape (sample,)."""

    def repeated(self, times: int) -> "Transform":
        """Each change as many times, one after the other; (sample · times, …)."""
        return self._each(lambda part: part.repeat_interleave(times, 0))

    def of(self, samples: slice) -> "Transform":
        """The changes of some of the samples."""
        return self._each(lambda part: part[samples])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Transform":
        """The same with each tensor changed, whose first axis is that of samples."""
        parts = {
            name: change(part)
            for name, part in vars(self).items()
            if isinstance(part, Tensor)
        }
        positive = tuple((start, change(which)) for start, which in self.positive)
        return replace(self, **parts, positive=positive)

    def later(self, frame: Tensor, left: Tensor) -> Tensor:
        """The frames at which new goals are achieved; (sample,).

        Args:
            frame: Index of each sample's frame; (sample,).
            left: Steps of its episode from there on, itself included; (sample,).
        """
        if self.ahead is None:
            return frame
        return frame + steps_ahead(self.ahead.clamp(min=0), left)

    def state(self, state: Tensor, later: Tensor | None = None) -> Tensor:
        """States, changed; (sample, state).

        Args:
            state: (sample, state).
            later: Those in which new goals are achieved; (sample, state).
        """
        if self.ahead is not None and later is not None:
            assert self.achieved is not None
            new = later.gather(1, self.achieved)
            own = torch.arange(state.shape[1], device=state.device)
            relabelled = (self.ahead >= 0)[:, None] & (self.achieved != own)
            state = torch.where(relabelled, new, state)
        if self.sign is not None:
            state = state * self.sign
            for start, which in self.positive:
                part = state[:, start : start + 4]
                largest = part.gather(1, part.abs().argmax(1, keepdim=True))
                part *= torch.where(which[:, None] & (largest < 0), -1.0, 1.0)
        if self.angle is not None:
            state = self._turned(state)
        if self.shift is not None:
            state = state + self.shift
        return state if self.keep is None else state * self.keep

    def _turned(self, state: Tensor) -> Tensor:
        assert self.angle is not None
        assert self.beside is not None
        assert self.centre is not None
        apart = state - self.centre
        along, across = self.angle.cos(), self.angle.sin()
        return along * apart + across * apart.gather(1, self.beside) + self.centre

    def action(self, action: Tensor) -> Tensor:
        """Actions, changed and clipped; (sample, chunk, action)."""
        if self.turn is not None:
            action = torch.bmm(action, self.turn.mT)
        return action.clamp(-1, 1)


def steps_ahead(ahead: Tensor, left: Tensor) -> Tensor:
    """Steps until a goal is achieved; 0 where a step is the last.

    Args:
        ahead: From 0, the next step, to 1, the last of the episode; (sample,).
        left: Steps of the episode from here on, this one included; (sample,).
    """
    most = left - 1
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
