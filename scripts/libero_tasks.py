"""Prints the tasks of LIBERO and LIBERO-PRO as JSON, for ``envs/libero_tasks.json``.

Run it with the interpreter of the environment ``libero``, in which LIBERO is installed.
"""

import contextlib
import json
import os
from typing import Any

with contextlib.redirect_stdout(None):
    import libero.libero.envs.bddl_utils as bddl
    from libero.libero import benchmark
    from libero.libero.envs.objects import get_object_fn

BASES = {"spatial": "spatial", "object": "object", "goal": "goal", "long": "10"}
VARIANTS = {"language": "lan", "object": "object", "swap": "swap", "task": "task"}
SCENERY = ("table", "floor")
STANDS_FOR = {
    "black_bowl": "akita_black_bowl",
    "brown_rack": "wine_rack",
    "white_bottle": "wine_bottle",
    "wooden_cabinet": "white_cabinet",
    "yellow_cabinet": "wooden_cabinet",
    "yellow_stove": "flat_stove",
}
"""Original kinds of objects, by the kinds that replace them in LIBERO-PRO. Other
replacements are named by a colour or a size, followed by the original kind."""


def main() -> None:
    """Prints all suites, and the joints of each kind of fixture."""
    joints: dict[str, list[str]] = {}
    found = {"90": suite("libero_90", joints, set(), said_in_file=False)}
    for base, folder in BASES.items():
        found[base] = suite(f"libero_{folder}", joints, set(), said_in_file=False)
        known = {name for each in found[base]["tasks"] for name in each["things"]}
        for variant, ending in VARIANTS.items():
            said_in_file = variant in ("language", "task")
            found[f"{base}-{variant}"] = suite(
                f"libero_{folder}_{ending}", joints, known, said_in_file=said_in_file
            )
    # Each task on its own line.
    lines = [f'{{"joints": {json.dumps(joints, sort_keys=True)},', '"suites": {']
    for name, each in found.items():
        tasks = ",\n  ".join(json.dumps(task) for task in each["tasks"])
        end = "" if name == [*found][-1] else ","
        lines.append(
            f' "{name}": {{"folder": "{each["folder"]}", "tasks": [\n  {tasks}]}}{end}'
        )
    print("\n".join([*lines, "}}"]))


def suite(
    folder: str, joints: dict[str, list[str]], known: set[str], *, said_in_file: bool
) -> dict[str, Any]:
    """The folder of a suite, and its tasks in the order of LIBERO.

    Args:
        folder: Name of LIBERO's benchmark.
        joints: Joints by kind of fixture, to which those of the suite are added.
        known: Objects of the base suite, for a suite of LIBERO-PRO; otherwise empty.
        said_in_file: Whether the instruction is read from the task's file.
    """
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        tasks = benchmark.get_benchmark(folder)(task_order_index=0)
    found, scenes = [], {}
    for index in range(tasks.n_tasks):
        path = tasks.get_task_bddl_file_path(index)
        problem = bddl.robosuite_parse_problem(path)
        joints.update(jointed(problem))
        assert len(tasks.get_task_init_states(index)) == 50
        begins = str(sorted(problem["initial_state"]))
        said = bddl.get_problem_info(path)["language_instruction"]
        listed = tasks.get_task(index)
        present = {slot(name, known): name for name in things(problem)}
        found.append(
            {
                "file": listed.name,
                "instruction": said if said_in_file else listed.language,
                "things": sorted(present),
                "replaced": {n: other for n, other in present.items() if n != other},
                "goal": [" ".join(each) for each in problem["goal_state"]],
                "scene": scenes.setdefault(begins, len(scenes)),
            }
        )
    return {"folder": folder, "tasks": found}


def slot(name: str, known: set[str]) -> str:
    """The object of the base suite that an object of LIBERO-PRO replaces."""
    if not known or name in known:
        return name
    kind, _, number = name.rpartition("_")
    kind = STANDS_FOR.get(kind) or kind.partition("_")[2]
    assert f"{kind}_{number}" in known, name
    return f"{kind}_{number}"


def things(problem: dict) -> list[str]:
    """Names of all objects and fixtures except tables and floors."""
    named = {**problem["objects"], **problem["fixtures"]}
    return [
        name
        for kind, names in named.items()
        for name in names
        if not kind.endswith(SCENERY)
    ]


def jointed(problem: dict) -> dict[str, list[str]]:
    """The joints of each kind of fixture in a task, except free joints."""
    kinds = [kind for kind in problem["fixtures"] if not kind.endswith(SCENERY)]
    made = {kind: get_object_fn(kind)() for kind in kinds}
    named = {
        kind: [joint.removeprefix(each.naming_prefix) for joint in each.joints]
        for kind, each in made.items()
    }
    return {
        kind: [joint for joint in joints if joint != "joint0"]
        for kind, joints in named.items()
    }


if __name__ == "__main__":
    main()
