"""Tasks of the Fetch robot: their wordings, and the layout of their states."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from robomtl.features import STATE, ActionFeature, Embodiment, Feature
from robomtl.task import Task

Vector = NDArray[np.float64]

_AXES = ("x", "y", "z")
_SIDES = ("right", "left")
_PARTS = {
    "gripper": _AXES,
    "object": _AXES,
    "object_from_gripper": _AXES,
    "finger": _SIDES,
    "object_angle": _AXES,
    "object_velocity_from_gripper": _AXES,
    "object_turning": _AXES,
    "gripper_velocity": _AXES,
    "finger_velocity": _SIDES,
    "goal": _AXES,
}
NAMES = tuple(f"{part}_{axis}" for part, axes in _PARTS.items() for axis in axes)
"""Names of the components of a state. Positions are in m, angles in rad, and velocities in m
or rad per step."""

GRIPPER = slice(0, 3)
OBJECT = slice(3, 6)
FINGERS = slice(9, 11)
OBJECT_VELOCITY = slice(14, 17)
GRIPPER_VELOCITY = slice(20, 23)
GOAL = slice(25, 28)
OWN = tuple(
    index for index, name in enumerate(NAMES) if name.startswith(("gripper", "finger"))
)
"""Indices of the robot's proprioception in a state; the other components of reach are 0,
except the goal."""

FETCH = Embodiment(
    name="fetch",
    observation={STATE: Feature(kind="state", shape=(len(NAMES),), names=NAMES)},
    action=ActionFeature(
        size=4,
        names=("x", "y", "z", "gripper"),
        units=("0.05 m", "0.05 m", "0.05 m", "open"),
    ),
)

IDS = MappingProxyType(
    {
        "reach": "FetchReach-v4",
        "push": "FetchPush-v4",
        "slide": "FetchSlide-v4",
        "pick-and-place": "FetchPickAndPlace-v4",
    }
)
"""Names in Gymnasium-Robotics; v4 starts every episode from the same simulator state."""

_TIERS = {
    "reach": "easy",
    "push": "medium",
    "slide": "hard",
    "pick-and-place": "medium",
}
_TRAIN = {
    "reach": (
        "reach the target",
        "move the gripper to the target",
        "bring the hand to the goal",
        "reach for the red dot",
        "put the gripper at the red point",
        "go to the target with the gripper",
        "take the hand to the target position and hold it there",
        "the gripper should be at the target",
        "move the arm until the gripper is at the goal",
        "hold the gripper at the red marker",
        "please bring the gripper to the point in the air",
        "the hand has to get to the red sphere",
        "touch the target point",
        "let the gripper hover at the goal",
        "steer the gripper to the target",
        "stretch the arm out to the goal",
    ),
    "push": (
        "push the cube to the target",
        "push the block to the goal",
        "shove the box over to the red dot",
        "move the cube across the table to the target without lifting it",
        "get behind the block and push it to the goal",
        "with closed fingers, push the cube to the target",
        "the block should be pushed onto the target",
        "nudge the cube along the table until it is at the goal",
        "please push the dark cube to the red point",
        "bring the box to the goal by pushing",
        "keep the cube on the table and push it to the marker",
        "use the gripper to push the block to the target",
        "the cube has to be at the target on the table",
        "press against the block until it reaches the goal",
        "can you push the cube over to the target?",
        "pushing only, get the block to the red marker",
    ),
    "slide": (
        "slide the puck to the target",
        "hit the puck so that it slides to the goal",
        "strike the puck and let it stop at the target",
        "make the puck glide to the red dot",
        "shoot the puck over the long table to the goal",
        "send the puck to the target out of reach",
        "the puck should slide to the target and stop there",
        "give the disc a hit that takes it to the goal",
        "let the puck slip along the table to the marker",
        "please slide the disc over to the red point",
        "knock the puck towards the target",
        "set the puck sliding so that it ends at the goal",
        "can you slide the puck to the goal?",
        "the disc has to glide to the far target",
        "get the puck to the target with one stroke",
        "propel the puck across the slippery table to the goal",
    ),
    "pick-and-place": (
        "pick up the cube and place it at the target",
        "grasp the block and bring it to the goal",
        "lift the box to the red dot",
        "pick the cube and hold it at the target",
        "grip the block, carry it to the goal and keep it there",
        "take the cube between the fingers and move it to the target",
        "the block should be picked up and held at the goal",
        "pick up the dark cube and put it at the red point",
        "grab the box and place it where the marker is",
        "close the gripper around the cube and take it to the target",
        "please pick up the block and carry it to the goal",
        "raise the cube to the target in the air",
        "seize the block and bring it to the marker",
        "can you grasp the cube and place it at the goal?",
        "the cube has to be lifted and taken to the target",
        "pick and place the block at the target",
    ),
}
_HELD_OUT = {
    "reach": (
        "guide the fingertips to the marked spot",
        "move the end of the arm over to the red ball",
        "position the hand on the goal location",
        "get the gripper where the mark is",
    ),
    "push": (
        "drive the cube forward over the table to the mark",
        "bump the block until it sits on the red spot",
        "without grasping it, push the box to the destination",
        "shift the cube to the goal by leaning on it",
    ),
    "slide": (
        "launch the puck at the mark",
        "flick the disc so that it comes to rest on the red spot",
        "whack the puck and have it glide to the destination",
        "let the disc skid over to the goal",
    ),
    "pick-and-place": (
        "clutch the cube and hoist it to the mark",
        "take hold of the box and set it down at the destination",
        "grasp the block, then lift it to the red spot",
        "fetch the cube with the fingers and deliver it to the goal",
    ),
}


def task_of(name: str) -> Task:
    """Task of a name, one of ``IDS``."""
    return Task(
        name=name,
        instructions=_TRAIN[name],
        held_out_instructions=_HELD_OUT[name],
        tier=_TIERS[name],
    )


VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "MT4": "reach, push, slide, and pick and place; the default",
        **{name: f"only {name}" for name in IDS},
    }
)
