"""Tasks of LIBERO and LIBERO-PRO as plain data: files, sentences, objects and scenes.

``scripts/libero_tasks.py`` prints the data from an installed LIBERO.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from robomtl.envs.libero_wordings import held_out_wordings, wordings
from robomtl.task import Task

_TASKS = Path(__file__).with_name("libero_tasks.json")

HORIZONS = {"spatial": 220, "object": 280, "goal": 300, "long": 520, "90": 400}
"""Number of steps of an episode in published results since OpenVLA; LIBERO's own evaluation
takes 600 steps."""

_LINES = {
    "spatial": "the same bowl in ten places, to be put on a plate",
    "object": "ten groceries, to be put in a basket; the default",
    "goal": "ten tasks in one scene",
    "long": "ten tasks of two parts each, LIBERO-10",
    "90": "ninety tasks in twenty scenes",
}
_PERTURBED = {
    "language": "in other words",
    "object": "with things of another colour or size",
    "swap": "with things in each other's places",
    "task": "with other goals in the same scenes",
}
VARIANTS: Mapping[str, str] = MappingProxyType(
    _LINES
    | {
        f"{base}-{kind}": f"LIBERO-PRO: {base} {line}"
        for base in ("spatial", "object", "goal", "long")
        for kind, line in _PERTURBED.items()
    }
)
"""Suites with a description each; ``90`` has no perturbed variants."""


class Entry(NamedTuple):
    """Task as LIBERO defines it."""

    file: str
    """Name of its file, without the suffix, which is the name of the task."""
    instruction: str
    """LIBERO's instruction."""
    things: tuple[str, ...]
    """Objects in its scene."""
    replaced: Mapping[str, str]
    """Names in the simulator of objects that LIBERO-PRO replaced, by original name."""
    goal: tuple[str, ...]
    """Predicates of success, such as ``on akita_black_bowl_1 plate_1``."""
    scene: int
    """Number of the initial scene, which tasks of a suite may share."""


@functools.cache
def _content() -> Any:
    return json.loads(_TASKS.read_text(encoding="utf-8"))


def folder(variant: str) -> str:
    """Folder of a suite in LIBERO's resources."""
    name: str = _content()["suites"][variant]["folder"]
    return name


@functools.cache
def entries(variant: str) -> dict[str, Entry]:
    """Tasks of a suite by name, in the order of LIBERO."""
    found = [
        Entry(
            file=each["file"],
            instruction=each["instruction"].lower(),
            things=tuple(each["things"]),
            replaced=each["replaced"],
            goal=tuple(each["goal"]),
            scene=each["scene"],
        )
        for each in _content()["suites"][variant]["tasks"]
    ]
    return {each.file: each for each in found}


@functools.cache
def tasks(variant: str) -> tuple[Task, ...]:
    """Tasks of a suite.

    In LIBERO-PRO's perturbations of language and task, each has only one instruction.
    """
    alone = variant.endswith(("-language", "-task"))
    return tuple(
        Task(
            name=name,
            instructions=(entry.instruction,) if alone else wordings(entry.instruction),
            held_out_instructions=() if alone else held_out_wordings(entry.instruction),
        )
        for name, entry in entries(variant).items()
    )


@functools.cache
def families(variant: str) -> dict[str, tuple[str, ...]]:
    """Families of tasks with the same initial scene, but different instructions."""
    scenes: dict[str, list[str]] = {}
    for name, entry in entries(variant).items():
        scenes.setdefault(f"scene-{entry.scene}", []).append(name)
    return {scene: tuple(names) for scene, names in scenes.items() if len(names) > 1}


@functools.cache
def slots(variant: str) -> dict[str, tuple[str, ...]]:
    """Objects of a suite's states, each with the names of its joints.

    A suite of LIBERO-PRO has the objects of the suite that it perturbs, so that a policy of
    one can act in the other.
    """
    base, joints = variant.partition("-")[0], _content()["joints"]
    names = {name for entry in entries(base).values() for name in entry.things}
    return {
        name: tuple(joints.get(name.rpartition("_")[0], ())) for name in sorted(names)
    }


def simulated(variant: str, task: str) -> list[tuple[str, tuple[str, ...]]]:
    """Name in the simulator, and joints, of each object of a task's state.

    The name is empty for objects that are not in the scene.
    """
    entry = entries(variant)[task]
    present = {name: entry.replaced.get(name, name) for name in entry.things}
    return [(present.get(name, ""), joints) for name, joints in slots(variant).items()]
