"""Where a state holds what the geometry of tasks names, one row a task.

Laid out once, so that a batch of any tasks is changed by a few operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from robomtl.geometry import Body, Geometry


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The geometries of some tasks as tensors."""

    axes: Tensor
    """1 where a state holds an x, and a y; (task, 2, state)."""
    signs: Tensor
    """-1 where mirroring at x = 0 turns a sign; (task, state)."""
    positive: tuple[tuple[int, Tensor], ...]
    """Starts of the quaternions in SciPy's order, and which tasks have one; (task,)."""
    slots: Tensor
    """1 where a state holds an object; (task, object, state)."""
    achieved: Tensor
    """Which number of a later state replaces each number under a new goal; (task, state)."""


def lay_out(geometry: Sequence[Geometry], state: int, device: torch.device) -> Layout:
    """Lays out the geometry of each task.

    Args:
        geometry: That of each task.
        state: Length of a state.
        device: Where the tensors shall be.
    """
    most = max(len(each.objects) for each in geometry)
    return Layout(
        axes=_stacked([_axes(each, state) for each in geometry], device),
        signs=_stacked([_signs(each, state) for each in geometry], device),
        positive=_positive(geometry, device),
        slots=_stacked([_slots(each, state, most) for each in geometry], device),
        achieved=_stacked([_achieved(each, state) for each in geometry], device),
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


def _scipys(thing: Body) -> tuple[int, ...]:
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
    """Which number of a later state replaces each number under a new goal; (state,)."""
    index = torch.arange(state)
    if geometry.goal is not None and geometry.achieved is not None:
        now, size = geometry.achieved.positions[0], geometry.dimensions
        for start in geometry.goal.positions:
            index[start : start + size] = torch.arange(now, now + size)
    return index
