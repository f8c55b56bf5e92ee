"""What constructs samples: the changes of each are drawn, then made by tensor functions.

What a task's geometry says is laid out once as one row a task, so that a batch of any
tasks is changed by a few operations.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from robomtl.geometry import Geometry, Thing, geometries
from robomtl.training.construction import Construction

if TYPE_CHECKING:  # Workers load policies, and no data sets.
    from robomtl.demonstrations import Demonstrations


@dataclass(frozen=True, kw_only=True)
class Change:
    """How each of some samples is changed; None for what stays."""

    shift: Tensor | None = None
    """What is added to the state; (sample, state)."""
    sign: Tensor | None = None
    """By what the state is multiplied before; (sample, state)."""
    turn: Tensor | None = None
    """What actions are multiplied by, and clipped; (sample, action, action)."""
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

    def repeated(self, times: int) -> "Change":
        """Each change as many times, one after the other; (sample · times, …)."""
        parts = {
            name: part.repeat_interleave(times, 0)
            for name, part in vars(self).items()
            if isinstance(part, Tensor)
        }
        positive = tuple(
            (start, which.repeat_interleave(times)) for start, which in self.positive
        )
        return replace(self, **parts, positive=positive)

    def later(self, frame: Tensor, left: Tensor) -> Tensor:
        """The frames at which new goals are achieved; (sample,).

        Args:
            frame: Index of each sample's frame; (sample,).
            left: Steps of its episode from there on, itself included; (sample,).
        """
        if self.ahead is None:
            return frame
        most = left - 1
        steps = 1 + (self.ahead.clamp(min=0) * most).long()
        return frame + steps.minimum(most)

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
        if self.shift is not None:
            state = state + self.shift
        return state if self.keep is None else state * self.keep

    def action(self, action: Tensor) -> Tensor:
        """Actions, changed; (sample, chunk, action)."""
        if self.turn is None:
            return action
        return torch.bmm(action, self.turn.mT).clamp(-1, 1)


class Constructor:
    """Draws how samples of some tasks are changed.

    Args:
        construction: What is done.
        geometry: That of each task.
        state: Length of a state.
        action: Length of an action.
        device: Where samples are.
    """

    def __init__(
        self,
        construction: Construction,
        geometry: Sequence[Geometry],
        *,
        state: int,
        action: int,
        device: torch.device,
    ) -> None:
        self.construction = construction
        self._action, self._start = action, geometry[0].displacement
        self._dimensions = geometry[0].dimensions
        self._axes = _stacked([_axes(each, state) for each in geometry], device)
        self._signs = _stacked([_signs(each, state) for each in geometry], device)
        self._positive = _positive(geometry, device)
        most = max(len(each.objects) for each in geometry)
        slots = [_slots(each, state, most) for each in geometry]
        self._slots = _stacked(slots, device)
        self._achieved = _stacked([_achieved(each, state) for each in geometry], device)
        self._permutations = _permutations(self._dimensions).to(device)

    def draw(self, task: Tensor, generator: Generator) -> Change:
        """What becomes of samples of these tasks, or problems, in space.

        Args:
            task: Index of the task of each; (sample,).
            generator: Of the draws.
        """
        draws = torch.rand(len(task), 4, generator=generator, device=generator.device)
        task, draws = task.to(self._axes.device), draws.to(self._axes.device)
        made, change = self.construction, Change()
        mirrored = draws[:, 2] < made.mirror
        if made.translation:
            shift = made.translation * (2 * draws[:, None, :2] - 1)
            axes = self._axes.index_select(0, task)  # (sample, axis, state)
            change = replace(change, shift=torch.bmm(shift, axes)[:, 0])
        if made.mirror:
            signs = self._signs.index_select(0, task)
            change = replace(
                change,
                sign=torch.where(mirrored[:, None], signs, 1.0),
                positive=tuple(
                    (start, which[task] & mirrored) for start, which in self._positive
                ),
            )
        if made.mirror or made.action_space != "own":
            change = replace(change, turn=self._turn(mirrored, draws[:, 3]))
        return change

    def singly(self, task: Tensor, generator: Generator) -> Change:
        """A change of its own for each sample.

        Args:
            task: Index of the task of each; (sample,).
            generator: Of the draws.
        """
        return self.each(self.draw(task, generator), task, generator)

    def each(self, change: Change, task: Tensor, generator: Generator) -> Change:
        """The same with what is drawn for each sample: what is hidden, and new goals.

        Args:
            change: As drawn, one for each sample.
            task: Index of the task of each; (sample,).
            generator: Of the draws.
        """
        made = self.construction
        objects = self._slots.shape[1]
        if not made.masking and not made.relabelling:
            return change
        draws = torch.rand(
            len(task), 2 + objects, generator=generator, device=generator.device
        )
        task, draws = task.to(self._axes.device), draws.to(self._axes.device)
        if made.masking:
            hidden = (draws[:, None, 2:] < made.masking).float()
            slots = self._slots.index_select(0, task)  # (sample, object, state)
            change = replace(change, keep=1 - torch.bmm(hidden, slots)[:, 0])
        if made.relabelling:
            relabelled = draws[:, 0] < made.relabelling
            ahead = torch.where(relabelled, draws[:, 1], -1.0)
            achieved = self._achieved.index_select(0, task)
            change = replace(change, ahead=ahead, achieved=achieved)
        return change

    def states(self, state: Tensor, task: Tensor, seed: int) -> Tensor:
        """States as training draws them, but for new goals, to fit a normaliser on.

        Args:
            state: (frame, state).
            task: Index of the task of each; (frame,).
            seed: Of the draws.

        Returns:
            Shape (frame, state).
        """
        generator = Generator(state.device).manual_seed(seed)
        change = self.draw(task, generator)
        return self.each(change, task, generator).state(state)

    def _turn(self, mirrored: Tensor, draw: Tensor) -> Tensor:
        """What actions are multiplied by; (sample,) -> (sample, action, action)."""
        size, start = self._dimensions, self._start
        turn = torch.eye(self._action, device=draw.device).repeat(len(draw), 1, 1)
        displacement = turn[:, start : start + size, start : start + size]
        if self.construction.action_space == "permuted":
            which = (draw * len(self._permutations)).long()
            displacement[:] = self._permutations[which]
        if self.construction.action_space == "turned":
            displacement[:, :2, :2] = _rotations(2 * math.pi * draw)
        displacement[..., 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
        return turn


def constructor_for(
    construction: Construction, demonstrations: "Demonstrations", device: torch.device
) -> Constructor | None:
    """What constructs samples of some demonstrations; None where all is off.

    Raises:
        ValueError: If the suite does not say which numbers of a state are positions, or
            none of the tasks has a goal that can be relabelled and that was asked for.
    """
    if construction == Construction():
        return None
    given = demonstrations
    found = geometries(given.suite, given.suite_options, given.tasks)
    if construction.relabelling:
        _check_goals(found, str(given.suite), given.tasks)
    return Constructor(
        construction,
        found,
        state=given.state.shape[1],
        action=given.action.shape[1],
        device=device,
    )


def _check_goals(found: Sequence[Geometry], name: str, tasks: Sequence[str]) -> None:
    if all(geometry.goal is None for geometry in found):
        raise ValueError(
            f"relabelling needs goals in the state, and {name} hides them here; collect"
            " with goals observable, or leave relabelling at 0."
        )
    if all(geometry.achieved is None for geometry in found):
        raise ValueError(
            f"relabelling needs a task whose goal is a place that something comes to;"
            f" {name} names no such thing for {', '.join(tasks)}. Leave it at 0."
        )


def _stacked(rows: Sequence[Tensor], device: torch.device) -> Tensor:
    return torch.stack(list(rows)).to(device)


def _axes(geometry: Geometry, state: int) -> Tensor:
    """1 where a state holds an x, and a y; (2, state)."""
    axes = torch.zeros(2, state)
    for thing in geometry.things:
        for start in thing.positions:
            axes[0, start] = axes[1, start + 1] = 1
    return axes


def _signs(geometry: Geometry, state: int) -> Tensor:
    """-1 where mirroring at x = 0 turns a sign; (state,).

    A rotation by an angle about an axis becomes one by the opposite angle about the
    mirrored axis: the quaternion w, x, y, z becomes w, x, -y, -z.
    """
    signs = torch.ones(state)
    for thing in geometry.things:
        signs[list(thing.positions)] = -1
        y = 2 if thing.order == "wxyz" else 1
        for start in thing.orientations:
            signs[start + y : start + y + 2] = -1
    return signs


def _positive(
    geometry: Sequence[Geometry], device: torch.device
) -> tuple[tuple[int, Tensor], ...]:
    """Starts of the quaternions in SciPy's order, and which tasks have one; (task,)."""
    found = [
        {start for thing in each.things for start in _scipys(thing)}
        for each in geometry
    ]
    return tuple(
        (start, torch.tensor([start in each for each in found], device=device))
        for start in sorted(set().union(*found))
    )


def _scipys(thing: Thing) -> tuple[int, ...]:
    return thing.orientations if thing.order == "xyzw" else ()


def _slots(geometry: Geometry, state: int, most: int) -> Tensor:
    """1 where a state holds an object; (object, state)."""
    slots = torch.zeros(most, state)
    for row, thing in zip(slots, geometry.objects, strict=False):
        for start in thing.positions:
            row[start : start + geometry.dimensions] = 1
        for start in thing.orientations:
            row[start : start + 4] = 1
    return slots


def _achieved(geometry: Geometry, state: int) -> Tensor:
    """What of a later state stands for each number under a new goal; (state,)."""
    index = torch.arange(state)
    if geometry.goal is not None and geometry.achieved is not None:
        now, size = geometry.achieved.positions[0], geometry.dimensions
        for start in geometry.goal.positions:
            index[start : start + size] = torch.arange(now, now + size)
    return index


def _permutations(size: int) -> Tensor:
    """Every signed permutation of axes; (size! · 2^size, size, size)."""
    eye = torch.eye(size)
    return torch.stack(
        [
            eye[list(order)] * torch.tensor(signs)[:, None]
            for order in itertools.permutations(range(size))
            for signs in itertools.product((1.0, -1.0), repeat=size)
        ]
    )


def _rotations(angle: Tensor) -> Tensor:
    """Rotations of x and y; (sample,) -> (sample, 2, 2)."""
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], -1).view(-1, 2, 2)
