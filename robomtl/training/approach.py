"""How the hand comes to what it touches first, and the same way from elsewhere.

One demonstration shows one way to the thing it handles, from one side. A way from another
start that ends alike is shown by the same frames, warped: moved by all of the difference
where they begin, by none of it at the end, and in proportion between. So MimicGen joins a
segment that is carried to a new object to where the hand is (Mandlekar et al. 2023,
arXiv:2310.17596, § 4).

1. MimicGen interpolates in time and plays the new trajectory in the simulator, keeping what
   succeeds. Here places are warped in space, by how far they are from where the way ends;
   nothing is played, and nothing new is stored.
2. MimicGen is told where segments end. Here the way ends where something the hand is
   beside begins to move, or with the episode.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from robomtl.geometry import Geometry, Thing

if TYPE_CHECKING:
    from robomtl.training.samples import Frames

SAME = 0.01
"""Within this of where it ends a way stays as it is [m]."""
_MOVED = 0.003  # What has moved by more than this has been touched [m].
_BESIDE = 0.05  # Nothing further off than this beyond the least distance is [m].
_NOTHING = 1e-4  # Displacements, and ways, that tell nothing of one another.


@dataclass(frozen=True, kw_only=True)
class Approach:
    """The way of the hand in each of some frames; x and y alone."""

    end: Tensor
    """Where it ends; (frame, 2)."""
    length: Tensor
    """How far from there it begins [m]; (frame,)."""
    before: Tensor
    """Whether a frame is on it; (frame,)."""
    reach: Tensor
    """How far a displacement of 1 brings the hand [m]; (frame,)."""
    positions: tuple[int, ...]
    """Where states hold the hand's x, the present one first; y follows."""
    displacement: int
    """Index of the displacement's x in an action."""

    def part(self, place: Tensor, frame: Tensor) -> Tensor:
        """How much of another start there is in some places; (sample,) in [0, 1].

        Args:
            place: x and y; (sample, 2).
            frame: Those they are of; (sample,).
        """
        left = (place - self.end[frame]).norm(dim=-1) - SAME
        whole = (self.length[frame] - SAME).clamp(min=SAME)
        part: Tensor = (left / whole).clamp(0, 1) * self.before[frame]
        return part

    def state(self, state: Tensor, frame: Tensor, start: Tensor) -> Tensor:
        """States on the way from another start; (sample, state).

        Args:
            state: (sample, state).
            frame: That of each; (sample,).
            start: By how much the start is moved [m]; (sample, 2).
        """
        state = state.clone()
        for x in self.positions:
            place = state[:, x : x + 2]
            place += self.part(place, frame)[:, None] * start
        return state

    def action(
        self, action: Tensor, place: Tensor, frame: Tensor, start: Tensor
    ) -> Tensor:
        """Actions that go there from another start; (sample, action).

        Args:
            action: (sample, action).
            place: Where the hand is, and is next; (sample, 2, 2).
            frame: That of each; (sample,).
            start: By how much the start is moved [m]; (sample, 2).
        """
        now, after = (self.part(each, frame) for each in place.unbind(1))
        more = ((after - now) / self.reach[frame])[:, None] * start
        action, x = action.clone(), self.displacement
        action[:, x : x + 2] = (action[:, x : x + 2] + more).clamp(-1, 1)
        return action


def from_elsewhere(
    source: "Frames", rows: Tensor, start: Tensor
) -> tuple[Tensor, Tensor]:
    """States and action chunks on the way from another start.

    Args:
        source: Frames whose approach is known.
        rows: Those of each sample's steps; (sample, chunk).
        start: By how much the start of each is moved [m]; (sample, 2).

    Returns:
        Shapes (sample, state) and (sample, chunk, action).
    """
    way = source.approach
    assert way is not None, "see Constructor.prepared"
    frame, x = rows.flatten(), way.positions[0]
    after = frame + (source.left[frame] > 1)
    place = torch.stack([source.state[each, x : x + 2] for each in (frame, after)], 1)
    spread = start.repeat_interleave(rows.shape[1], 0)
    action = way.action(source.action[frame], place, frame, spread)
    first = rows[:, 0]
    return way.state(source.state[first], first, start), action.view(*rows.shape, -1)


def approaches(source: "Frames", geometry: Sequence[Geometry]) -> Approach:
    """The way of the hand in each frame of some episodes, on their device.

    Args:
        source: The frames, the episodes one after the other.
        geometry: That of each task; all hold the hand at the same place.
    """
    device = source.state.device
    state, task = source.state.cpu(), source.task.cpu()
    hand, x = geometry[0].hand, geometry[0].displacement
    asked = source.action[:, x : x + 2].cpu()
    end, length = torch.zeros(len(state), 2), torch.zeros(len(state))
    before = torch.zeros(len(state), dtype=torch.bool)
    went = torch.zeros(len(geometry), 2)  # Of each task, and what that took.
    last = 0
    while last < len(state):
        first, last = last, last + int(source.left[last])
        place = _places(hand, state[first:last])[:, :2]
        touch = _touch(state[first:last], geometry[int(task[first])])
        gone, push = place[touch] - place[0], asked[first : first + touch].sum(0)
        end[first:last], length[first:last] = place[touch], gone.norm()
        before[first : first + touch] = True
        went[task[first]] += torch.stack([(gone * push).sum(), (push**2).sum()])
    reach = (went[:, 0] / went[:, 1].clamp(min=_NOTHING)).clamp(min=_NOTHING)
    return Approach(
        end=end.to(device),
        length=length.to(device),
        before=before.to(device),
        reach=reach[task].to(device),
        positions=hand.positions,
        displacement=x,
    )


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


def _places(thing: Thing, state: Tensor) -> Tensor:
    """Where a thing is, and a number after it in two dimensions; (frame, 3)."""
    return state[:, thing.positions[0] : thing.positions[0] + 3]
