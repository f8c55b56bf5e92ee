"""State of robosuite's Wipe: a tool, and markers of dirt on a table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.envs.robosuite_scene import axis_names, position_names, two_axes

Vector = NDArray[np.float64]

NEAREST = 8
"""Number of markers whose positions are in a state."""

NAMES = (
    *position_names("hand"),
    *axis_names("hand"),
    "force.z",
    "left",
    *position_names("dirt"),
    *position_names("hand_to_dirt"),
    *(f"hand_to_marker_{rank}.{axis}" for rank in range(NEAREST) for axis in "xy"),
)
"""Names of the components of a state: the centre of the tool's lower face and its axes; the
table's upward force on it [N]; the number of remaining markers, their centroid, and the
closest of them by distance. Positions are in metres in the world's frame."""

HAND, HAND_AXES, FORCE, LEFT = slice(0, 3), slice(3, 9), 9, 10
DIRT, HAND_TO_DIRT = slice(11, 14), slice(14, 17)
HAND_TO_MARKERS = slice(17, 17 + 2 * NEAREST)


class WipingReader:
    """Reader of the state of the scene.

    Args:
        env: robosuite's env ``Wipe``.
    """

    def __init__(self, env: Any) -> None:
        model, data = env.sim.model, env.sim.data._data
        markers = env.model.mujoco_arena.markers
        grip = env.robots[0].gripper["right"].important_sites["grip_site"]
        hand = model.site_name2id(grip)
        self._hand, self._hand_axes = data.site_xpos[hand], data.site_xmat[hand]
        sensor = model._model.sensor("gripper0_right_force_ee")
        first = sensor.adr[0]
        self._force = data.sensordata[first : first + 3]
        self._up = data.site_xmat[sensor.objid[0]][6:9]  # In the sensor's own axes.
        self._bodies = [model.body_name2id(each.root_body) for each in markers]
        self._geoms = [model.geom_name2id(each.visual_geoms[0]) for each in markers]
        self._positions, self._colours = data.xpos, model._model.geom_rgba

    def state(self) -> Vector:
        """Current state, with the components ``NAMES``; (33,)."""
        state = np.zeros(len(NAMES))
        state[HAND], state[HAND_AXES] = self._hand, two_axes(self._hand_axes)
        state[FORCE] = -self._up @ self._force
        left = self._left()
        state[LEFT] = len(left)
        if len(left):
            state[DIRT] = left.mean(0)
            state[HAND_TO_DIRT] = state[DIRT] - self._hand
            offsets = (left - self._hand)[:, :2]
            distances = np.linalg.norm(offsets, axis=1)
            near = np.argsort(distances, kind="stable")[:NEAREST]
            first = HAND_TO_MARKERS.start
            state[first : first + 2 * len(near)] = offsets[near].ravel()
        return state

    def _left(self) -> Vector:
        """Positions of the remaining markers, which alone are visible; (marker, 3)."""
        visible = self._colours[self._geoms, 3] > 0
        remaining: Vector = self._positions[self._bodies][visible]
        return remaining


def wipe(env: Any, action: Vector) -> bool:
    """Removes the markers that the tool touches; returns whether the episode has ended.

    Args:
        env: robosuite's env ``Wipe``, after the physics of the action.
        action: Action that was taken; (6,).
    """
    _, ended, _ = env._post_action(action)
    return bool(ended)
