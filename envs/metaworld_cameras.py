"""Names of Meta-World's cameras."""

SYNONYMS = {"corner2-close": "corner4"}
"""Further names. ``corner2-close`` is corner2 moved to (0.75, 0.075, 0.7) m, where
LeRobot's benchmark has it; Meta-World 3 has the same view as ``corner4``."""

CAMERAS = (
    "corner",
    "corner2",
    "corner2-close",
    "corner3",
    "corner4",
    "topview",
    "behindGripper",
    "gripperPOV",
)
"""All names."""
