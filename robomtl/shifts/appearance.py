"""Shifts of the appearance of a MuJoCo scene; physics and states do not change.

The scene is modified after its update and before rendering, so that the model, which
several envs may share, is not modified.
"""

from typing import Any

import numpy as np

from robomtl.errors import InputError
from robomtl.shifts.shift import Effect, Scene, Shift, drawn_offset

_CM = 0.01
_MOST = 4096  # Geom ids are taken modulo this number.
_SIZES = 0.015, 0.04  # Range of the half-sizes of distractors [m].


class _CameraPose(Effect):
    def __init__(self, size: float, _: Scene, generator: np.random.Generator) -> None:
        self._offset = drawn_offset(_CM * size, 3, generator)

    def paint(self, scene: Any) -> None:
        """Moves the camera."""
        for camera in scene.camera:  # MuJoCo has two, for stereo.
            camera.pos += self._offset


class _Light(Effect):
    def __init__(self, factor: float, _: Scene, __: np.random.Generator) -> None:
        self._factor = factor

    def paint(self, scene: Any) -> None:
        """Multiplies the intensity of every light."""
        for light in scene.lights[: scene.nlight]:
            light.ambient *= self._factor
            light.diffuse *= self._factor
            light.specular *= self._factor


class _Colour(Effect):
    def __init__(
        self, fraction: float, _: Scene, generator: np.random.Generator
    ) -> None:
        self._fraction = fraction
        self._others = generator.uniform(size=(_MOST, 3)).astype(np.float32)

    def paint(self, scene: Any) -> None:
        """Mixes the colour of each geom with a random one."""
        for geom in scene.geoms[: scene.ngeom]:
            other = self._others[geom.objid % _MOST]
            shown = geom.rgba[:3]
            geom.rgba[:3] = (1 - self._fraction) * shown + self._fraction * other


class _Texture(Effect):
    def __init__(
        self, fraction: float, _: Scene, generator: np.random.Generator
    ) -> None:
        self._changed = generator.uniform(size=_MOST) < fraction
        self._which = generator.integers(_MOST, size=_MOST)

    def paint(self, scene: Any) -> None:
        """Gives some geoms the material (texture and shine) of others."""
        geoms = scene.geoms[: scene.ngeom]
        materials = sorted({geom.matid for geom in geoms})
        for geom in geoms:
            index = geom.objid % _MOST
            if self._changed[index]:
                geom.matid = materials[self._which[index] % len(materials)]


class _Distractors(Effect):
    def __init__(
        self, number: float, scene: Scene, generator: np.random.Generator
    ) -> None:
        assert scene.table is not None
        count = int(number)
        low, high = np.asarray(scene.table)
        self._positions = generator.uniform(low, high, size=(count, 3))
        self._sizes = generator.uniform(*_SIZES, size=(count, 3))
        self._colours = generator.uniform(size=(count, 3))
        self._kinds = generator.integers(3, size=count)

    def paint(self, scene: Any) -> None:
        """Adds objects that stand on the table and do not collide.

        Raises:
            InputError: If the scene has no room for as many geoms.
        """
        import mujoco  # An optional dependency.

        count, room = len(self._kinds), scene.maxgeom - scene.ngeom
        if count > room:
            raise InputError(
                f"distractors={count} adds {count} objects to a scene with room for"
                f" {room}; give at most {room}, or let the env make a scene of more geoms."
            )

        shape = mujoco.mjtGeom
        shapes = shape.mjGEOM_SPHERE, shape.mjGEOM_BOX, shape.mjGEOM_ELLIPSOID
        rows = zip(
            self._kinds, self._sizes, self._positions, self._colours, strict=True
        )
        for kind, size, position, colour in rows:
            geom = scene.geoms[scene.ngeom]
            rgba = np.append(colour, 1).astype(np.float32)
            centre = position + [0, 0, size[0] if kind == 0 else size[2]]
            mujoco.mjv_initGeom(
                geom, shapes[kind], size, centre, np.eye(3).ravel(), rgba
            )
            scene.ngeom += 1


CAMERA_POSE = Shift(
    line="offset of every camera, in a random direction per episode",
    unit="cm",
    minimum=0,
    maximum=50,
    magnitudes=(2, 5, 10),
    randomised=(0, 5),
    needs="pictures",
    begin=_CameraPose,
)
LIGHT = Shift(
    line="intensity of every light",
    unit="×",
    minimum=0.01,
    maximum=10,
    none=1.0,
    magnitudes=(0.25, 0.5, 2),
    randomised=(0.5, 2),
    needs="pictures",
    begin=_Light,
)
COLOUR = Shift(
    line="fraction of a random colour mixed into each geom, drawn once per episode",
    unit="fraction",
    minimum=0,
    maximum=1,
    magnitudes=(0.25, 0.5, 1),
    randomised=(0, 0.5),
    needs="pictures",
    begin=_Colour,
)
TEXTURE = Shift(
    line="fraction of geoms with the texture and shine of another geom",
    unit="fraction",
    minimum=0,
    maximum=1,
    magnitudes=(0.25, 0.5, 1),
    randomised=(0, 0.5),
    needs="pictures",
    begin=_Texture,
)
DISTRACTORS = Shift(
    line="coloured objects on the table that do not collide",
    unit="objects",
    minimum=0,
    maximum=20,
    integer=True,
    magnitudes=(2, 5, 10),
    randomised=(0, 5),
    needs="table",
    begin=_Distractors,
)
