"""The hand's path to what it touches first, and the same path from another start.

A demonstration shows one path to the thing it handles, from one side. The same frames show
a path from another start to the same end once they are warped: moved by the whole difference
of the starts where they begin, by none of it at the end, and in proportion between. MimicGen
joins a segment that is carried to a new object to the hand in this manner (Mandlekar et
al. 2023, arXiv:2310.17596, § 4). Departures:

1. MimicGen interpolates in time and plays the new trajectory in the simulator, keeping what
   succeeds. Here positions are warped in space, by their distance from the end of the path;
   nothing is played, and nothing new is stored.
2. MimicGen is given the ends of segments. Here the path ends where something beside the hand
   begins to move, or with the episode.
3. MimicGen's controller is given target positions. Here actions are what the demonstrator
   would command at the new position, as scripted experts do: in proportion to the distance
   from the target, by a gain that its demonstrations show. Where they show none, paths stay
   as they are. A clipped action is first restored to its size before it was clipped; that
   is warped, or rotated, and then clipped again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from robomtl.geometry import Body, Geometry
from robomtl.training.frames import Approach, Frames

_MOVED = 0.003  # What has moved by more than this has been touched [m].
_BESIDE = 0.05  # Nothing further off than this beyond the least distance is [m].
_CLIPPED = (
    0.99  # Displacements above this may have been larger before they were clipped.
)
_ELSE = 0.3  # A displacement that changes by more has another reason than the position.
_AGREE = 0.2  # Gains that differ by less than this fraction count as equal.
_STILL = 0.001  # A hand that has moved by less shows no gain [m].


def from_elsewhere(
    source: Frames, rows: Tensor, start: Tensor | None
) -> tuple[Tensor, Tensor]:
    """States on the path from another start, and what demonstrators would command there.

    They command ``gain`` times the distance of the hand from its target, and so ``gain``
    times the displacement of the hand less.

    Args:
        source: Frames whose approach is known.
        rows: Rows of each sample's steps; (sample, chunk).
        start: Displacement of the start of each path [m]; (sample, 2). None for none.

    Returns:
        States, (sample, state), and actions, (sample, chunk, action), to be clipped.
    """
    path = source.approach
    assert path is not None, "see Augmenter.prepared"
    state = source.state.index_select(0, rows[:, 0])
    if start is None:
        return state, path.unclipped[rows]
    frame, x = rows.flatten(), path.positions[0]
    spread = start.repeat_interleave(rows.shape[1], 0)
    part = path.part(source.state[frame, x : x + 2], frame)
    action, x = path.unclipped[frame], path.displacement
    action[:, x : x + 2] -= (path.gain[frame] * part)[:, None] * spread
    return path.state(state, rows[:, 0], start), action.view(*rows.shape, -1)


def approaches(source: Frames, geometry: Sequence[Geometry]) -> Approach:
    """The path of the hand in each frame of some episodes, on their device.

    Args:
        source: The frames, the episodes one after the other.
        geometry: Geometry of each task; all have the hand at the same index.
    """
    device = source.state.device
    state, task = source.state.cpu(), source.task.cpu()
    hand, x = geometry[0].hand, geometry[0].displacement
    place, commanded = _places(hand, state)[:, :2], source.action[:, x : x + 2].cpu()
    end, length = torch.zeros(len(state), 2), torch.zeros(len(state))
    before = torch.zeros(len(state), dtype=torch.bool)
    last = 0
    while last < len(state):
        first, last = last, last + int(source.left[last])
        touch = first + _touch(state[first:last], geometry[int(task[first])])
        end[first:last], before[first:touch] = place[touch], True
        length[first:last] = (place[first] - place[touch]).norm()
    gain = torch.zeros(len(geometry))
    for index in {*task.tolist()}:
        gain[index] = _gain(place, commanded, before & (task == index))
    gain = gain[task]
    before &= gain > 0
    unclipped = source.action.clone()
    missing = (gain * before)[:, None] * (end - place).abs()
    unclipped[:, x : x + 2] = _unclipped(commanded, missing).to(device)
    return Approach(
        end=end.to(device),
        length=length.to(device),
        before=before.to(device),
        gain=gain.to(device),
        unclipped=unclipped,
        positions=hand.positions,
        displacement=x,
    )


def _unclipped(commanded: Tensor, missing: Tensor) -> Tensor:
    """The commanded displacement, or the missing one where that was clipped."""
    clipped = commanded.abs() >= _CLIPPED
    return torch.where(
        clipped, commanded.sign() * missing.maximum(commanded.abs()), commanded
    )


def _gain(place: Tensor, commanded: Tensor, on: Tensor) -> float:
    """By how much the command shrinks per metre that the hand has come nearer [1/m].

    The median over pairs of frames between which nothing else has changed. 0 where most
    of them disagree: the demonstrator does not act in proportion to the distance.
    """
    both = on[:-1] & on[1:]
    less, nearer = -commanded.diff(dim=0)[both], place.diff(dim=0)[both]
    free = torch.maximum(commanded[:-1].abs(), commanded[1:].abs())[both] < _CLIPPED
    plain = free & (less.abs() < _ELSE) & (nearer.abs() > _STILL)
    if not plain.any():
        return 0.0
    gains = (less / nearer)[plain]
    gain = float(gains.median())
    agree = ((gains - gain).abs() < _AGREE * gain).float().mean()
    return gain if agree > 0.5 else 0.0


def _touch(state: Tensor, geometry: Geometry) -> int:
    """The frame of an episode at which something is first touched, or its last one."""
    size = geometry.dimensions
    hand, first = _places(geometry.hand, state)[:, :size], len(state) - 1
    for thing in geometry.objects:
        place = _places(thing, state)[:, :size]
        apart = (place - hand).norm(dim=1)
        beside = int((apart < apart.min() + _BESIDE).nonzero()[0])
        moved = (place - place[beside]).norm(dim=1) > _MOVED
        moved[:beside] = False
        if moved.any():
            first = min(first, int(moved.nonzero()[0]))
    return first


def _places(thing: Body, state: Tensor) -> Tensor:
    """Position of a thing, followed by another number in two dimensions; (frame, 3)."""
    return state[:, thing.positions[0] : thing.positions[0] + 3]
