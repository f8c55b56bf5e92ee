"""Path of the hand to the object that it touches first, and its warp to another start.

A demonstration shows one path to the object that it manipulates, from one side. The same
frames show a path from another start to the same end once they are warped: translated by the
full displacement of the start where the path begins, by none of it at the end, and in
proportion in between. MimicGen joins a segment that is transferred to a new object to the
hand in this manner (Mandlekar et al. 2023, arXiv:2310.17596, § 4). Departures:

1. MimicGen interpolates in time, executes the new trajectory in the simulator, and keeps
   successes. Here positions are warped in space, by their distance from the end of the path;
   nothing is executed, and nothing new is stored.
2. MimicGen is given the ends of segments. Here the path ends where an object beside the hand
   begins to move, or with the episode.
3. MimicGen's controller is given target positions. Here actions are those that the
   demonstrator would command at the new position, as scripted experts do: proportional to
   the distance from the target, with a gain that is estimated from the demonstrations. Where
   the estimates disagree, paths are not warped. A clipped action is first restored to its
   magnitude before clipping, then warped or rotated, and then clipped again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from robomtl.geometry import Body, Geometry
from robomtl.training.frames import Approach, Frames

_MOVED = 0.003  # An object that has moved by more than this has been touched [m].
_BESIDE = 0.05  # The hand is beside an object up to its least distance plus this [m].
_CLIPPED = 0.99  # A displacement action above this may have been clipped.
_ELSE = 0.3  # A larger change of the action has another cause than the position.
_AGREE = 0.2  # Gains that differ by less than this fraction count as equal.
_STILL = 0.001  # A hand that has moved by less shows no gain [m].


def from_elsewhere(
    source: Frames, rows: Tensor, start: Tensor | None
) -> tuple[Tensor, Tensor]:
    """States on the path from another start, and the demonstrator's actions there.

    The demonstrator commands ``gain`` times the distance of the hand from its target: where
    the hand is displaced, the action is smaller by ``gain`` times the displacement.

    Args:
        source: Frames with an ``approach``.
        rows: Rows of each sample's steps; (sample, chunk).
        start: Displacement of the start of each path [m]; (sample, 2). If None, paths are
            not displaced.

    Returns:
        States, (sample, state), and actions before clipping, (sample, chunk, action).
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
    """The path of the hand in each frame of some episodes, on the device of the frames.

    Args:
        source: Resident frames, one episode after the other.
        geometry: Geometry of each task; all have the hand at the same index.
    """
    device = source.state.device
    state, task = source.state.cpu(), source.task.cpu()
    hand, x = geometry[0].hand, geometry[0].displacement
    position = _positions(hand, state)[:, :2]
    commanded = source.action[:, x : x + 2].cpu()
    end, length = torch.zeros(len(state), 2), torch.zeros(len(state))
    before = torch.zeros(len(state), dtype=torch.bool)
    last = 0
    while last < len(state):
        first, last = last, last + int(source.steps_left[last])
        touch = first + _touch(state[first:last], geometry[int(task[first])])
        end[first:last], before[first:touch] = position[touch], True
        length[first:last] = (position[first] - position[touch]).norm()
    gain = torch.zeros(len(geometry))
    for index in {*task.tolist()}:
        gain[index] = _gain(position, commanded, before & (task == index))
    gain = gain[task]
    before &= gain > 0
    unclipped = source.action.clone()
    missing = (gain * before)[:, None] * (end - position).abs()
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
    """The commanded displacement; the missing one, if larger, where it was clipped."""
    clipped = commanded.abs() >= _CLIPPED
    return torch.where(
        clipped, commanded.sign() * missing.maximum(commanded.abs()), commanded
    )


def _gain(position: Tensor, commanded: Tensor, on: Tensor) -> float:
    """Decrease of the command per metre that the hand comes nearer [1/m].

    Median over pairs of frames between which nothing else has changed. 0 if most of them
    disagree: the demonstrator then does not act in proportion to the distance.

    Args:
        position: x and y of the hand in each frame; (frame, 2).
        commanded: Displacement actions; (frame, 2).
        on: Whether each frame is on a path that counts; (frame,).
    """
    both_on = on[:-1] & on[1:]
    decrease, nearer = -commanded.diff(dim=0)[both_on], position.diff(dim=0)[both_on]
    free = torch.maximum(commanded[:-1].abs(), commanded[1:].abs())[both_on] < _CLIPPED
    plain = free & (decrease.abs() < _ELSE) & (nearer.abs() > _STILL)
    if not plain.any():
        return 0.0
    gains = (decrease / nearer)[plain]
    gain = float(gains.median())
    agree = ((gains - gain).abs() < _AGREE * gain).float().mean()
    return gain if agree > 0.5 else 0.0


def _touch(state: Tensor, geometry: Geometry) -> int:
    """Frame of an episode at which an object is first touched; the last one if none is."""
    size = geometry.dimensions
    hand, first = _positions(geometry.hand, state)[:, :size], len(state) - 1
    for body in geometry.objects:
        position = _positions(body, state)[:, :size]
        distance = (position - hand).norm(dim=1)
        beside = int((distance < distance.min() + _BESIDE).nonzero()[0])
        moved = (position - position[beside]).norm(dim=1) > _MOVED
        moved[:beside] = False
        if moved.any():
            first = min(first, int(moved.nonzero()[0]))
    return first


def _positions(body: Body, state: Tensor) -> Tensor:
    """Position of a body in each frame; (frame, 3).

    In a scene of two dimensions, the third number is another component of the state.
    """
    return state[:, body.positions[0] : body.positions[0] + 3]
