"""Layout of states: the components named by the geometry of tasks, one row per task.

The layout is computed once, so that a few operations transform a batch of any tasks.
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
    """1 for the x, and for the y, of positions in a state; (task, 2, state)."""
    signs: Tensor
    """-1 for components whose sign is reversed by mirroring at x = 0; (task, state)."""
    positive: tuple[tuple[int, Tensor], ...]
    """Indices at which quaternions in SciPy's order start, and whether each task has one
    there; (task,)."""
    slots: Tensor
    """1 for the components of each object in a state; (task, object, state)."""
    achieved: Tensor
    """Index of the component of a later state that replaces each component when the goal is
    relabelled; (task, state)."""


def lay_out(geometry: Sequence[Geometry], state: int, device: torch.device) -> Layout:
    """The geometries of tasks as tensors.

    Args:
        geometry: Geometry of each task.
        state: Length of a state.
        device: Device of the tensors.
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
    """1 for the x, and for the y, of positions in a state; (2, state)."""
    axes = torch.zeros(2, state)
    for body in geometry.bodies:
        for start in body.positions:
            axes[0, start] = axes[1, start + 1] = 1
    return axes


def _signs(geometry: Geometry, state: int) -> Tensor:
    """-1 for components whose sign is reversed by mirroring at x = 0; (state,).

    A rotation by an angle about an axis becomes one by the opposite angle about the
    mirrored axis: the quaternion w, x, y, z becomes w, x, -y, -z.
    """
    signs = torch.ones(state)
    for body in geometry.bodies:
        signs[list(body.positions)] = -1
        y = 2 if body.order == "wxyz" else 1
        for start in body.orientations:
            signs[start + y : start + y + 2] = -1
    return signs


def _positive(
    geometry: Sequence[Geometry], device: torch.device
) -> tuple[tuple[int, Tensor], ...]:
    """Starts of quaternions in SciPy's order, and whether each task has one there."""
    starts = [
        {start for body in each.bodies for start in _scipys(body)} for each in geometry
    ]
    return tuple(
        (start, torch.tensor([start in each for each in starts], device=device))
        for start in sorted(set().union(*starts))
    )


def _scipys(body: Body) -> tuple[int, ...]:
    return body.orientations if body.order == "xyzw" else ()


def _slots(geometry: Geometry, state: int, most: int) -> Tensor:
    """1 for the components of each object in a state; (object, state)."""
    slots = torch.zeros(most, state)
    for row, body in zip(slots, geometry.objects, strict=False):
        for start in body.positions:
            row[start : start + geometry.dimensions] = 1
        for start in body.orientations:
            row[start : start + 4] = 1
    return slots


def _achieved(geometry: Geometry, state: int) -> Tensor:
    """Index of the later state's component that replaces each one; (state,).

    Components other than the goal have their own index.
    """
    index = torch.arange(state)
    if geometry.goal is not None and geometry.achieved is not None:
        now, size = geometry.achieved.positions[0], geometry.dimensions
        for start in geometry.goal.positions:
            index[start : start + size] = torch.arange(now, now + size)
    return index
