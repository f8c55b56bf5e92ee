"""Names of Meta-World's cameras, and of further ones."""

from robomtl.envs.mujoco_views import Window

SYNONYMS = {"corner2-close": "corner4"}
"""Synonyms of Meta-World's cameras. ``corner2-close`` is corner2 moved to
(0.75, 0.075, 0.7) m, as in LeRobot's benchmark; it is Meta-World 3's ``corner4``."""

WINDOWS = {"corner2-zoom": Window("corner4", 0.28, 0.94, 0.22, 0.88)}
"""Crops of Meta-World's cameras. ``corner2-zoom`` shows the part of ``corner2-close`` with
the hand, the objects and the goals of all 50 tasks, magnified 1.5 times."""

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
"""Names of all cameras."""
