"""Shifts of MuJoCo's physics: friction, and the mass of movable objects."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.shifts.shift import Effect, Scene, Shift


class _Physics(Effect):
    """Base of effects that multiply arrays of the model by a factor."""

    alters = True

    def __init__(self, factor: float, _: Scene, __: np.random.Generator) -> None:
        self._factor = factor


class _Friction(_Physics):
    def alter(self, model: Any) -> None:
        """Multiplies sliding, torsional and rolling friction of all geoms."""
        model.geom_friction[:] *= self._factor


class _Mass(_Physics):
    def alter(self, model: Any) -> None:
        """Multiplies mass and inertia of objects, and updates MuJoCo's derived constants.

        The inertia of a kinematic tree is linear in its masses except for joint armature,
        which the scaled inverse weights do not account for.
        """
        bodies = movable(model)
        dofs = np.isin(model.dof_bodyid, bodies)
        for array in (model.body_mass, model.body_inertia, model.body_subtreemass):
            array[bodies] *= self._factor
        model.body_invweight0[bodies] /= self._factor
        model.dof_invweight0[dofs] /= self._factor


def movable(model: Any) -> NDArray[np.int64]:
    """Ids of the bodies in trees with joints but no actuator: objects, not the robot.

    Args:
        model: MuJoCo's model.

    Returns:
        Body ids, ascending; (body,).
    """
    root = model.body_rootid
    driven = {int(root[body]) for body in _actuated(model)}
    jointed = {int(root[body]) for body in model.jnt_bodyid}
    held = {  # Trees constrained to a mocap body: robots that are moved by mocap.
        int(root[body])
        for pair in _constrained(model)
        for body in pair
        if any(model.body_mocapid[other] >= 0 for other in pair)
    }
    return np.flatnonzero(np.isin(root, [*(jointed - driven - held)]))


def _actuated(model: Any) -> Iterator[int]:
    """Ids of the bodies that actuators act on, directly or through a tendon."""
    from mujoco import mjtTrn  # An optional dependency.

    kinds, targets = model.actuator_trntype, model.actuator_trnid[:, 0]
    for kind, target in zip(kinds, targets, strict=True):
        match mjtTrn(kind):
            case mjtTrn.mjTRN_JOINT | mjtTrn.mjTRN_JOINTINPARENT:
                yield model.jnt_bodyid[target]
            case mjtTrn.mjTRN_TENDON:
                yield from _along(model, target)
            case mjtTrn.mjTRN_BODY:
                yield target
            case _:
                yield model.site_bodyid[target]


def _along(model: Any, tendon: int) -> Iterator[int]:
    """Ids of the bodies whose joints or sites a tendon passes."""
    from mujoco import mjtWrap  # An optional dependency.

    bodies = {
        mjtWrap.mjWRAP_JOINT: model.jnt_bodyid,
        mjtWrap.mjWRAP_SITE: model.site_bodyid,
    }
    first = model.tendon_adr[tendon]
    for wrap in range(first, first + model.tendon_num[tendon]):
        if model.wrap_type[wrap] in bodies:
            yield bodies[model.wrap_type[wrap]][model.wrap_objid[wrap]]


def _constrained(model: Any) -> Iterator[tuple[int, int]]:
    """Ids of the two bodies of each equality constraint between bodies or their sites."""
    from mujoco import mjtObj  # An optional dependency.

    bodies = {
        mjtObj.mjOBJ_BODY: np.arange(model.nbody),
        mjtObj.mjOBJ_SITE: model.site_bodyid,
    }
    rows = zip(model.eq_objtype, model.eq_obj1id, model.eq_obj2id, strict=True)
    for kind, first, second in rows:
        if kind in bodies:
            yield bodies[kind][first], bodies[kind][second]


FRICTION = Shift(
    line="friction of all surfaces",
    unit="×",
    minimum=0.01,
    maximum=100.0,
    none=1.0,
    magnitudes=(0.25, 0.5, 2.0, 4.0),
    randomised=(0.5, 2.0),
    needs="physics",
    begin=_Friction,
)
OBJECT_MASS = Shift(
    line="mass and inertia of movable objects",
    unit="×",
    minimum=0.05,
    maximum=20.0,
    none=1.0,
    magnitudes=(0.5, 2.0, 4.0),
    randomised=(0.5, 2.0),
    needs="physics",
    begin=_Mass,
)
