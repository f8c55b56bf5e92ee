"""Shifts of how a scene of MuJoCo looks; its physics and states are as they were.

A picture is changed between the update of the scene and its drawing, so that the model,
which several envs may share, stays as it is.
"""

from typing import Any

import numpy as np

from robomtl.shifts.shift import Effect, Scene, Shift, drawn_offset

_CM = 0.01
_MOST = 4096  # Geoms of a model that can be told apart.
_SIZES = 0.015, 0.04  # Of distractors [m].


class _CameraPose(Effect):
    def __init__(self, size: float, _: Scene, generator: np.random.Generator) -> None:
        self._offset = drawn_offset(_CM * size, 3, generator)

    def paint(self, scene: Any) -> None:
        """Moves the camera."""
        for eye in scene.camera:  # Two, for pictures in stereo.
            eye.pos += self._offset


class _Light(Effect):
    def __init__(self, factor: float, _: Scene, __: np.random.Generator) -> None:
        self._factor = factor

    def paint(self, scene: Any) -> None:
        """Multiplies what every light gives."""
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
        """Mixes the colour of each geom with another one."""
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
        """Gives geoms the material of others, its texture and shine."""
        geoms = scene.geoms[: scene.ngeom]
        materials = sorted({geom.matid for geom in geoms})
        for geom in geoms:
            place = geom.objid % _MOST
            if self._changed[place]:
                geom.matid = materials[self._which[place] % len(materials)]


class _Distractors(Effect):
    def __init__(
        self, number: float, scene: Scene, generator: np.random.Generator
    ) -> None:
        assert scene.table is not None
        count = int(number)
        low, high = np.asarray(scene.table)
        self._places = generator.uniform(low, high, size=(count, 3))
        self._sizes = generator.uniform(*_SIZES, size=(count, 3))
        self._colours = generator.uniform(size=(count, 3))
        self._kinds = generator.integers(3, size=count)

    def paint(self, scene: Any) -> None:
        """Adds things that stand on the table and touch nothing."""
        import mujoco  # Which the core does without.

        shape = mujoco.mjtGeom
        shapes = shape.mjGEOM_SPHERE, shape.mjGEOM_BOX, shape.mjGEOM_ELLIPSOID
        rows = zip(self._kinds, self._sizes, self._places, self._colours, strict=True)
        for kind, size, place, colour in rows:
            geom = scene.geoms[scene.ngeom]
            rgba = np.append(colour, 1).astype(np.float32)
            up = place + [0, 0, size[0] if kind == 0 else size[2]]
            mujoco.mjv_initGeom(geom, shapes[kind], size, up, np.eye(3).ravel(), rgba)
            scene.ngeom += 1


CAMERA_POSE = Shift(
    line="every camera is moved by this, in one direction an episode",
    unit="cm",
    least=0,
    most=50,
    magnitudes=(2, 5, 10),
    randomised=(0, 5),
    needs="pictures",
    begin=_CameraPose,
)
LIGHT = Shift(
    line="light of every lamp",
    unit="×",
    least=0.01,
    most=10,
    none=1.0,
    magnitudes=(0.25, 0.5, 2),
    randomised=(0.5, 2),
    needs="pictures",
    begin=_Light,
)
COLOUR = Shift(
    line="fraction by which the colour of everything is another, drawn once an episode",
    unit="fraction",
    least=0,
    most=1,
    magnitudes=(0.25, 0.5, 1),
    randomised=(0, 0.5),
    needs="pictures",
    begin=_Colour,
)
TEXTURE = Shift(
    line="fraction of things that have the texture and shine of others",
    unit="fraction",
    least=0,
    most=1,
    magnitudes=(0.25, 0.5, 1),
    randomised=(0, 0.5),
    needs="pictures",
    begin=_Texture,
)
DISTRACTORS = Shift(
    line="coloured things on the table that touch nothing",
    unit="things",
    least=0,
    most=20,
    whole=True,
    magnitudes=(2, 5, 10),
    randomised=(0, 5),
    needs="table",
    begin=_Distractors,
)
