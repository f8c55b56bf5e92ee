"""Scripted expert of PushT, without memory of earlier steps.

The block has neither momentum nor friction with the pusher, so that a push at a point of its
outline translates it along the normal and rotates it by the torque, in a fixed ratio.
Distance to the goal is measured with rotations scaled by the radius of gyration. The expert
chooses the push that reduces this distance most per step, including the steps of going
there.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from robomtl.features import STATE
from robomtl.task import Action, Observation

Vector = NDArray[np.float64]

SIDE = 512.0
"""Side of the square [px]; an action of -1 and 1 is 0 and ``SIDE``."""
GOAL = np.array([256.0, 256.0])
"""Goal of the block's origin, the middle of its long side [px]."""
GOAL_ANGLE = np.pi / 4

_RADIUS = 15.0  # Radius of the pusher [px].
_GAP = 6.0  # Gap between pusher and block at the start of a push [px].
_SPEED = 12.0  # Speed of the pusher [px/step].
_STOP = 3.0  # Number of steps that a push needs in addition to its motion.
_EDGE = 6.0  # Smallest distance of the pusher from the edge of the square [px].

_CORNERS = np.array(
    [
        (-60, 0),
        (60, 0),
        (60, 30),
        (15, 30),
        (15, 120),
        (-15, 120),
        (-15, 30),
        (-60, 30),
    ],
    np.float64,
)
"""Corners of the outline in the block's frame [px]."""
_CENTRE = np.array([0.0, 45.0])  # Centre of gravity in the block's frame [px].
_GYRATION = 3000.0  # Moment of inertia over mass [px^2].

_ALONG = np.roll(_CORNERS, -1, axis=0) - _CORNERS
_LENGTHS = np.linalg.norm(_ALONG, axis=1)
_ALONG = _ALONG / _LENGTHS[:, None]
_INWARD = np.stack([-_ALONG[:, 1], _ALONG[:, 0]], axis=1)

# Path around the block, at a distance at which the pusher can move freely.
_PATH = _CORNERS + 24 * np.array(
    [(-1, -1), (1, -1), (1, 1), (1, 1), (1, 1), (-1, 1), (-1, 1), (-1, 1)]
)
_LEGS = np.roll(_PATH, -1, axis=0) - _PATH
_LEG_LENGTHS = np.linalg.norm(_LEGS, axis=1)
_REACHED = np.concatenate([[0.0], np.cumsum(_LEG_LENGTHS)])
_ROUND = float(_REACHED[-1])


def _to_outline(points: Vector) -> Vector:
    """Distances of points from the outline [px]; (point, 2) -> (point,)."""
    offsets = points[:, None] - _CORNERS
    along = np.clip((offsets * _ALONG).sum(-1), 0, _LENGTHS)
    nearest = _CORNERS + along[..., None] * _ALONG
    distances: Vector = np.linalg.norm(points[:, None] - nearest, axis=-1).min(axis=1)
    return distances


def _inside(points: Vector) -> NDArray[np.bool_]:
    x, y = np.abs(points[:, 0]), points[:, 1]
    bar, stem = (y > 0) & (y < 30), (y >= 30) & (y < 120)
    inside: NDArray[np.bool_] = ((x < 60) & bar) | ((x < 15) & stem)
    return inside


def _free(start: Vector, end: Vector, clearance: float) -> bool:
    """Whether the pusher can move straight from one point to another."""
    count = max(int(np.linalg.norm(end - start) // 6) + 2, 2)
    points = start + (end - start) * np.linspace(0, 1, count)[:, None]
    return bool(not _inside(points).any() and _to_outline(points).min() > clearance)


def _on_path(at: float) -> Vector:
    """Point on the path around the block at a length along it; (2,)."""
    at %= _ROUND
    leg = min(int(np.searchsorted(_REACHED, at, side="right")) - 1, len(_LEGS) - 1)
    point: Vector = _PATH[leg] + _LEGS[leg] * (at - _REACHED[leg]) / _LEG_LENGTHS[leg]
    return point


def _nearest_on_path(point: Vector) -> tuple[float, float]:
    """Length along the path of its point nearest to another one, and their distance."""
    fraction = ((point - _PATH) * _LEGS).sum(axis=1) / _LEG_LENGTHS**2
    fraction = np.clip(fraction, 0, 1)
    apart = np.linalg.norm(point - _PATH - _LEGS * fraction[:, None], axis=1)
    leg = int(np.argmin(apart))
    return float(_REACHED[leg] + fraction[leg] * _LEG_LENGTHS[leg]), float(apart[leg])


def _contacts() -> tuple[Vector, Vector]:
    """Points of the outline that the pusher can touch, and normals; (point, 2) each."""
    points, normals = [], []
    for corner, along, length, normal in zip(
        _CORNERS, _ALONG, _LENGTHS, _INWARD, strict=True
    ):
        for at in np.linspace(3, length - 3, max(int((length - 6) // 6) + 1, 1)):
            points.append(corner + along * at)
            normals.append(normal)
    touched, inward = np.array(points), np.array(normals)
    fits = _to_outline(touched - inward * (_RADIUS + _GAP)) > _RADIUS + 1.5
    return touched[fits], inward[fits]


_POINTS, _NORMALS = _contacts()
_ARMS = _POINTS - _CENTRE
_TORQUES = _ARMS[:, 0] * _NORMALS[:, 1] - _ARMS[:, 1] * _NORMALS[:, 0]
_YIELDS = 1 + _TORQUES**2 / _GYRATION
_STARTS = _POINTS - _NORMALS * (_RADIUS + _GAP)
_ON_PATH = np.array([_nearest_on_path(start)[0] for start in _STARTS])
_SAMPLES = np.arange(0, _ROUND, 8.0)
_SAMPLED = np.array([_on_path(at) for at in _SAMPLES])


class _Block(NamedTuple):
    """Pose of the block."""

    origin: Vector
    """Position of the block's origin in the square [px]; (2,)."""
    turn: Vector
    """Rotation matrix from the block's frame to the square; (2, 2)."""
    angle: float
    """Angle of the rotation [rad]."""

    def to_square(self, points: Vector) -> Vector:
        """Transforms points from the block's frame to the square; (point, 2)."""
        placed: Vector = self.origin + points @ self.turn.T
        return placed


def _rotation(angle: float) -> Vector:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def _block(corners: Vector) -> _Block:
    """Pose of the block from its first two corners, the ends of its long side."""
    side = corners[1] - corners[0]
    angle = float(np.arctan2(side[1], side[0]))
    return _Block((corners[0] + corners[1]) / 2, _rotation(angle), angle)


def _depths(block: _Block) -> Vector:
    """Best length of a push at each point [px]; negative if it increases the distance."""
    goal = GOAL + _rotation(GOAL_ANGLE) @ _CENTRE
    missing = block.turn.T @ (goal - block.to_square(_CENTRE))
    turn = (GOAL_ANGLE - block.angle + np.pi) % (2 * np.pi) - np.pi
    depths: Vector = _NORMALS @ missing + turn * _TORQUES
    return depths


class _Routes(NamedTuple):
    """Lengths of the paths around the block from the pusher to the start of each push."""

    start: float
    """Length along the path of its point nearest to the pusher [px]."""
    forward: Vector
    """Lengths in the forward direction [px]; infinite if blocked by the square's edge."""
    backward: Vector
    """Lengths in the backward direction [px]; infinite if blocked by the square's edge."""
    away: float
    """Distance of the pusher from the path [px]."""

    @property
    def shortest(self) -> Vector:
        """Lengths in the shorter direction, including the distance to the path [px]."""
        shortest: Vector = np.minimum(self.forward, self.backward) + self.away
        return shortest


def _within(points: Vector) -> NDArray[np.bool_]:
    inside = (points > _EDGE) & (points < SIDE - _EDGE)
    return inside[:, 0] & inside[:, 1]


def _routes(block: _Block, pusher: Vector) -> _Routes:
    start, away = _nearest_on_path(pusher)
    forward, backward = (_ON_PATH - start) % _ROUND, (start - _ON_PATH) % _ROUND
    outside = _SAMPLES[~_within(block.to_square(_SAMPLED))]
    if len(outside):
        forward = np.where(
            forward > ((outside - start) % _ROUND).min(), np.inf, forward
        )
        backward = np.where(
            backward > ((start - outside) % _ROUND).min(), np.inf, backward
        )
    return _Routes(start, forward, backward, away)


def _next(pusher: Vector, contact: int, routes: _Routes) -> Vector:
    """Next target of the pusher towards the start of a push, in the block's frame."""
    goal: Vector = _STARTS[contact]
    if _free(pusher, goal, _RADIUS + 1):
        return goal
    forward, backward = routes.forward[contact], routes.backward[contact]
    length, sign = (forward, 1) if forward <= backward else (backward, -1)
    for ahead in (45.0, 31.5, 20.0, 11.0):
        point = _on_path(routes.start + sign * min(ahead, length))
        if _free(pusher, point, _RADIUS + 0.5):
            return point
    return _on_path(routes.start)


def _target(state: Vector) -> Vector:
    """Next target of the pusher in the square [px]; (2,)."""
    pusher, block = state[:2], _block(state[2:].reshape(8, 2))
    here = block.turn.T @ (pusher - block.origin)
    depths, routes = _depths(block), _routes(block, here)
    offsets = here - _POINTS
    apart = -(offsets * _NORMALS).sum(axis=1)
    aside = np.abs(offsets[:, 0] * _NORMALS[:, 1] - offsets[:, 1] * _NORMALS[:, 0])
    ready = (aside < 4) & (apart > _RADIUS - 6) & (apart < _RADIUS + _GAP + 4)
    travel = np.where(ready, 0, routes.shortest + 2 * _GAP)
    possible = (depths > 0.3) & _within(block.to_square(_STARTS))
    gain = np.where(possible, depths**2 / _YIELDS, 0)
    steps = (travel + np.maximum(depths, 0)) / _SPEED + _STOP
    best = int(np.argmax(gain / steps))
    if gain[best] <= 0:
        return pusher
    if not ready[best]:
        return block.to_square(_next(here, best, routes))
    push = _POINTS[best] - _NORMALS[best] * (_RADIUS - depths[best]) - here
    # The pusher covers a quarter of its distance in the first step.
    hurry = 1.6 if np.linalg.norm(push) > 4 else 1.0
    return block.to_square(here + hurry * push)


def push(observation: Observation) -> Action:
    """Action for an observation, within [-1, 1]; (2,)."""
    target = _target(observation[STATE].astype(np.float64))
    action: Action = np.clip(2 * target / SIDE - 1, -1, 1).astype(np.float32)
    return action
