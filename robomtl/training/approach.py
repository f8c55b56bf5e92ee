"""How the hand comes to what it touches first, and the same way from elsewhere.

One demonstration shows one way to the thing it handles, from one side. A way from another
start with the same end is shown by the same frames, warped: moved by all of the difference
where they begin, by none of it at the end, and in proportion between. So MimicGen joins a
segment that is carried to a new object to where the hand is (Mandlekar et al. 2023,
arXiv:2310.17596, § 4).

1. MimicGen interpolates in time and plays the new trajectory in the simulator, keeping what
   succeeds. Here places are warped in space, by how far they are from where the way ends;
   nothing is played, and nothing new is stored.
2. MimicGen is given where segments end. Here the way ends where something the hand is
   beside begins to move, or with the episode.
3. MimicGen's controller is given places to go to. Here actions are what the demonstrator
   would ask for where the hand is now, as scripted experts do: in proportion to how far it
   is from where it is to be, by a gain that its demonstrations show. Where they show none,
   ways stay as they are. One that was clipped wanted more than it commanded, and it is
   that which is warped, or turned, before it is clipped again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from robomtl.geometry import Body, Geometry
from robomtl.training.frames import Approach, Frames

_MOVED = 0.003  # What has moved by more than this has been touched [m].
_BESIDE = 0.05  # Nothing further off than this beyond the least distance is [m].
_CLIPPED = 0.99  # Displacements above this may have been wanted larger.
_ELSE = 0.3  # A displacement that changes by more has another reason than the place.
_AGREE = 0.2  # Gains that differ by less than this fraction count as equal.
_STILL = 0.001  # A hand that has come by less tells nothing [m].


def from_elsewhere(
    source: Frames, rows: Tensor, start: Tensor | None
) -> tuple[Tensor, Tensor]:
    """States and what demonstrators want there, on the way from another start.

    They want ``gain`` times how far the hand is from where it is to be, so that much less
    of what it has been moved by.

    Args:
        source: Frames whose approach is known.
        rows: Those of each sample's steps; (sample, chunk).
        start: By how much the start of each is moved [m]; (sample, 2). None for not at all.

    Returns:
        States, (sample, state), and actions, (sample, chunk, action), to be clipped.
    """
    way = source.approach
    assert way is not None, "see Augmenter.prepared"
    state = source.state.index_select(0, rows[:, 0])
    if start is None:
        return state, way.wanted[rows]
    frame, x = rows.flatten(), way.positions[0]
    spread = start.repeat_interleave(rows.shape[1], 0)
    part = way.part(source.state[frame, x : x + 2], frame)
    action, x = way.wanted[frame], way.displacement
    action[:, x : x + 2] -= (way.gain[frame] * part)[:, None] * spread
    return way.state(state, rows[:, 0], start), action.view(*rows.shape, -1)


def approaches(source: Frames, geometry: Sequence[Geometry]) -> Approach:
    """The way of the hand in each frame of some episodes, on their device.

    Args:
        source: The frames, the episodes one after the other.
        geometry: That of each task; all hold the hand at the same place.
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
    wanted = source.action.clone()
    missing = (gain * before)[:, None] * (end - place).abs()
    wanted[:, x : x + 2] = _wanted(commanded, missing).to(device)
    return Approach(
        end=end.to(device),
        length=length.to(device),
        before=before.to(device),
        gain=gain.to(device),
        wanted=wanted,
        positions=hand.positions,
        displacement=x,
    )


def _wanted(commanded: Tensor, missing: Tensor) -> Tensor:
    """The commanded action, and as much as was missing where that was clipped."""
    clipped = commanded.abs() >= _CLIPPED
    return torch.where(
        clipped, commanded.sign() * missing.maximum(commanded.abs()), commanded
    )


def _gain(place: Tensor, commanded: Tensor, on: Tensor) -> float:
    """By how much the command shrinks per metre that the hand has come nearer [1/m].

    The median over pairs of frames between which nothing else has changed. 0 where most
    of them say something else: whoever demonstrates does not answer in proportion.
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
    """Where a thing is, and a number after it in two dimensions; (frame, 3)."""
    return state[:, thing.positions[0] : thing.positions[0] + 3]
