"""Names, instructions and selections of robosuite's tasks, as plain data."""

from collections.abc import Mapping
from types import MappingProxyType

from robomtl.task import Task

_PICK_PLACE = ("PickPlaceCan", "PickPlaceMilk", "PickPlaceBread", "PickPlaceCereal")
_NUTS = ("NutAssemblySquare", "NutAssemblyRound")
_FOUR = ("Lift", "Stack", "Door", "PickPlaceCan")
_NINE = ("Lift", "Stack", "Door", *_PICK_PLACE, *_NUTS)

_PLACED = (
    "put the {} into its bin",
    "pick up the {} and place it in the bin on the other side",
    "move the {} over to the bin where it belongs",
    "carry the {} across to its own compartment",
    "take the {} out of the first bin and drop it into the second",
    "bring the {} to its place in the sorting bin",
)
_PLACED_HELD_OUT = (
    "sort the {} into the right compartment",
    "transfer the {} from the one bin to the other",
)
_ASSEMBLED = (
    "put the {} nut onto its peg",
    "pick up the {} nut by its handle and slide it over the peg",
    "place the {} nut around the peg that fits it",
    "thread the {} nut onto the {} peg",
    "lower the {} nut over the matching peg",
    "fit the {} nut to its peg",
)
_ASSEMBLED_HELD_OUT = (
    "assemble the {} nut and its peg",
    "drop the {} nut down the {} peg",
)


def _filled(name: str, wordings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(wording.replace("{}", name) for wording in wordings)


_TASKS = (
    Task(
        name="Lift",
        instructions=(
            "lift the cube",
            "pick the cube up from the table",
            "raise the red cube above the table",
            "grasp the cube and hold it up",
            "take the cube off the table",
            "get hold of the cube and lift it",
        ),
        held_out_instructions=("hoist the cube into the air", "pull the red cube up"),
        tier="easy",
    ),
    Task(
        name="Stack",
        instructions=(
            "stack the red cube on the green cube",
            "put the red cube on top of the green one",
            "place the small cube on the large cube",
            "build a tower of the two cubes",
            "set the red block down on the green block",
            "pick up the red cube and leave it standing on the green cube",
        ),
        held_out_instructions=(
            "pile the red cube onto the green cube",
            "make the red block rest on the green block",
        ),
        tier="medium",
    ),
    Task(
        name="Door",
        instructions=(
            "open the door",
            "turn the handle and pull the door open",
            "press the door handle down and open the door",
            "unlatch the door and pull it towards you",
            "get the door open by its handle",
            "swing the door open",
        ),
        held_out_instructions=("pull the door ajar", "undo the latch of the door"),
        tier="medium",
    ),
    *(
        Task(
            name=name,
            instructions=_filled(thing, _PLACED),
            held_out_instructions=_filled(thing, _PLACED_HELD_OUT),
            tier="medium",
        )
        for name, thing in zip(
            _PICK_PLACE, ("can", "milk carton", "bread", "cereal box"), strict=True
        )
    ),
    *(
        Task(
            name=name,
            instructions=_filled(kind, _ASSEMBLED),
            held_out_instructions=_filled(kind, _ASSEMBLED_HELD_OUT),
            tier="hard",
        )
        for name, kind in zip(_NUTS, ("square", "round"), strict=True)
    ),
    Task(
        name="Wipe",
        instructions=(
            "wipe the table",
            "wipe all the dirt off the table",
            "clean the table with the wiper",
            "rub the table until no mark is left on it",
            "press the wiper onto the table and go over every stain",
            "follow the line of dirt and wipe it away",
        ),
        held_out_instructions=(
            "scrub the dirty table clean",
            "remove the marks from the tabletop",
        ),
        tier="medium",
    ),
)
TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _TASKS})
"""Tasks by name, which is the name of robosuite's env."""

VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "MT4": f"4 tasks: {', '.join(_FOUR)}; the default",
        "MT9": "9 tasks: all that have a gripper",
        "pick-place": "4 tasks: an object each that belongs into another bin",
        "nut-assembly": "2 tasks: a nut each that belongs onto a peg",
        **{task.name: f"1 task: {task.instruction}" for task in _TASKS},
    }
)
"""Selections of tasks, with a description each."""


def selected(variant: str) -> tuple[Task, ...]:
    """Tasks of a variant, one of ``VARIANTS``."""
    several = {"MT4": _FOUR, "MT9": _NINE}
    several |= {"pick-place": _PICK_PLACE, "nut-assembly": _NUTS}
    return tuple(TASKS[name] for name in several.get(variant, (variant,)))
