"""Names, instructions and states of ManiSkill's tasks, as plain data."""

from collections.abc import Mapping
from types import MappingProxyType

from robomtl.envs.maniskill_server import NAMES as NAMES
from robomtl.task import Task

_TASKS = (
    Task(
        name="PickCube-v1",
        instructions=(
            "pick up the cube and hold it at the goal",
            "bring the cube to the point in the air",
            "carry the cube to the green sphere",
            "grasp the cube and keep it where the marker is",
            "move the cube to the target position and hold still",
            "raise the cube to the goal",
        ),
        held_out_instructions=(
            "hold the cube at the marked point",
            "get the cube up to the target in the air",
        ),
        tier="easy",
    ),
    Task(
        name="StackCube-v1",
        instructions=(
            "put the red cube on the green cube and let go",
            "stack the red cube upon the green one",
            "place the red block on top of the green block",
            "build a stack with the red cube above",
            "set the red cube down upon the green cube",
            "lift the red cube onto the green cube",
        ),
        held_out_instructions=(
            "leave the red cube resting on the green cube",
            "make a tower of the red and the green cube",
        ),
        tier="medium",
    ),
    Task(
        name="PushCube-v1",
        instructions=(
            "push the cube into the goal region",
            "push the cube away from the robot onto the target",
            "shove the cube forward to the red and white disc",
            "slide the cube ahead until it lies on the target",
            "move the cube forward by pushing it",
            "press against the cube until it is on the disc",
        ),
        held_out_instructions=(
            "nudge the cube forward onto the target disc",
            "drive the cube ahead into the marked region",
        ),
        tier="easy",
    ),
    Task(
        name="PullCube-v1",
        instructions=(
            "pull the cube into the goal region",
            "pull the cube towards the robot onto the target",
            "drag the cube back to the red and white disc",
            "draw the cube nearer until it lies on the target",
            "move the cube back by pulling it",
            "reach behind the cube and bring it onto the disc",
        ),
        held_out_instructions=(
            "haul the cube back onto the target disc",
            "tug the cube towards you into the marked region",
        ),
        tier="easy",
    ),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _TASKS})
"""Tasks by name, which is the name of ManiSkill's env."""

VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "MT4": "4 tasks: pick, stack, push and pull a cube; the default",
        **{task.name: f"1 task: {task.instruction}" for task in _TASKS},
    }
)
"""Selections of tasks, with a description each."""
