"""Names of Meta-World's cameras, and those that robomtl adds."""

from robomtl.envs.mujoco_views import Window

SYNONYMS = {"corner2-close": "corner4"}
"""Further names. ``corner2-close`` is corner2 moved to (0.75, 0.075, 0.7) m, where
LeRobot's benchmark has it; Meta-World 3 has the same view as ``corner4``."""

WINDOWS = {"corner2-zoom": Window("corner4", 0.28, 0.94, 0.22, 0.88)}
"""Further cameras. ``corner2-zoom`` shows the part of ``corner2-close`` in which the hand,
the objects and the goals of all 50 tasks are, half as large again."""

CAMERAS = (
    "corner",
    "corner2",
    "corner2-close",
    "corner2-zoom",
    "corner3",
    "corner4",
    "topview",
    "behindGripper",
    "gripperPOV",
)
"""All names."""
