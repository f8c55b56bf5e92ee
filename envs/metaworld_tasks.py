"""Names, tiers, instructions and splits of Meta-World's tasks, as plain data."""

import functools
import json
from pathlib import Path
from typing import NamedTuple

from robomtl.task import Task

_INSTRUCTIONS = Path(__file__).with_name("metaworld_instructions.json")

TASKS: tuple[str, ...] = tuple(
    f"{name}-v3"
    for name in """
    assembly basketball bin-picking box-close button-press-topdown
    button-press-topdown-wall button-press button-press-wall coffee-button coffee-pull
    coffee-push dial-turn disassemble door-close door-lock door-open door-unlock
    hand-insert drawer-close drawer-open faucet-open faucet-close hammer
    handle-press-side handle-press handle-pull-side handle-pull lever-pull
    pick-place-wall pick-out-of-hole pick-place plate-slide plate-slide-side
    plate-slide-back plate-slide-back-side peg-insert-side peg-unplug-side soccer
    stick-push stick-pull push push-wall push-back reach reach-wall shelf-place
    sweep-into sweep window-open window-close
    """.split()
)
"""All tasks, in the order of Meta-World 3.1.1, on which its MT50 draw depends."""

_RATED = {
    "medium": "basketball bin-picking box-close coffee-pull coffee-push hammer"
    " peg-insert-side push-wall soccer sweep sweep-into",
    "hard": "assembly hand-insert pick-out-of-hole pick-place push push-back",
    "very hard": "shelf-place disassemble stick-pull stick-push pick-place-wall",
}

TIERS: dict[str, str] = dict.fromkeys(TASKS, "easy") | {
    f"{name}-v3": tier for tier, names in _RATED.items() for name in names.split()
}
"""Difficulty tier of each task, as LeRobot groups its results (28, 11, 6 and 5)."""


HIDDEN_GOAL_TASKS: tuple[str, ...] = tuple(
    f"{name}-v3"
    for name in """
    assembly basketball box-close coffee-pull coffee-push hand-insert pick-place-wall
    pick-out-of-hole pick-place plate-slide plate-slide-side plate-slide-back
    plate-slide-back-side peg-insert-side soccer stick-push stick-pull push push-wall
    push-back reach reach-wall shelf-place
    """.split()
)
"""Tasks whose goal cannot be inferred from the other components of the initial state.

Only in these tasks does hiding the goal require a policy to infer it. In the others the goal
is fixed (bin-picking, hammer, sweep-into) or follows from the initial position of the object
to move. In box-close, the box at the goal tilts the lid, by less than 0.01 in any component.
"""


FAMILIES: dict[str, tuple[str, ...]] = {
    family: tuple(f"{name}-v3" for name in names.split())
    for family, names in {
        "reach-push-pick-place": "reach push pick-place",
        "push-push-back": "push push-back",
        "window": "window-open window-close",
        "drawer": "drawer-open drawer-close",
        "door": "door-open door-close",
        "door-lock": "door-lock door-unlock",
        "faucet": "faucet-open faucet-close",
        "handle": "handle-press handle-pull",
        "handle-side": "handle-press-side handle-pull-side",
        "plate-slide": "plate-slide plate-slide-side plate-slide-back"
        " plate-slide-back-side",
        "coffee": "coffee-button coffee-pull coffee-push",
    }.items()
}
"""Tasks that share a scene, by name of their family.

An image of the scene does not tell the tasks of a family apart. States tell most of them
apart: only reach-v3 and pick-place-v3 have indistinguishable initial states; push-v3 has
lower goals, and in the other families the initial position of the handle, the object or the
goal differs. A policy can therefore act correctly there without using its instruction.
"""


class Split(NamedTuple):
    """Tasks of a benchmark, and the draws of their official goals."""

    train: tuple[str, ...]
    """Names of the training tasks."""
    train_draw: str
    """Name of the draw of their goals; see ``DRAWS``."""
    held_out: tuple[str, ...] = ()
    """Names of the held-out tasks."""
    held_out_draw: str = ""
    """Name of the draw of their goals."""
    trained_and_tested: tuple[str, ...] = ()
    """Training tasks that are also tested, on goals of the held-out draw."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(f"{name}-v3" for name in text.split())


_MT25 = _names(
    """
    reach push pick-place door-open drawer-open drawer-close button-press-topdown
    peg-insert-side window-open window-close coffee-pull pick-out-of-hole disassemble
    pick-place-wall basketball stick-pull button-press-wall faucet-open door-lock
    lever-pull sweep-into faucet-close coffee-button button-press-topdown-wall dial-turn
    """
)
_ML10 = _names(
    "reach push pick-place door-open drawer-close button-press-topdown peg-insert-side"
    " window-open sweep basketball"
)
_ML10_HELD_OUT = _names("drawer-open door-close shelf-place sweep-into lever-pull")
_ML25_HELD_OUT = _names("basketball door-close shelf-place sweep button-press")
_ML45 = _names(
    """
    assembly basketball button-press-topdown button-press-topdown-wall button-press
    button-press-wall coffee-button coffee-pull coffee-push dial-turn disassemble
    door-close door-open drawer-close drawer-open faucet-open faucet-close hammer
    handle-press-side handle-press handle-pull-side handle-pull lever-pull
    pick-place-wall pick-out-of-hole push-back pick-place plate-slide plate-slide-side
    plate-slide-back plate-slide-back-side peg-insert-side peg-unplug-side soccer
    stick-push stick-pull push-wall push reach-wall reach shelf-place sweep-into sweep
    window-open window-close
    """
)
_ML45_HELD_OUT = _names("bin-picking box-close hand-insert door-lock door-unlock")

DRAWS: dict[str, tuple[str, ...]] = {
    "MT25": _MT25,
    "MT50": TASKS,
    "ML10": _ML10,
    "ML10-held-out": _ML10_HELD_OUT,
    "ML25-held-out": _ML25_HELD_OUT,
    "ML45": _ML45,
    "ML45-held-out": _ML45_HELD_OUT,
    "ML1": TASKS,
    "ML1-test": TASKS,
}
"""Tasks of each shipped draw of official goals, in the order of drawing.

Meta-World draws the goals of a benchmark from one random stream, task by task, so benchmarks
that begin with the same tasks share goals: MT25 begins with the tasks of MT10, and ML25
trains on those of MT25. ML1 restarts the stream for each task, as MT1 does.
"""

SPLITS: dict[str, Split] = {
    "MT10": Split(_MT25[:10], "MT25"),
    "MT25": Split(_MT25, "MT25"),
    "MT50": Split(TASKS, "MT50"),
    "ML10": Split(_ML10, "ML10", _ML10_HELD_OUT, "ML10-held-out"),
    "ML25": Split(
        _MT25, "MT25", _ML25_HELD_OUT[1:], "ML25-held-out", _ML25_HELD_OUT[:1]
    ),
    "ML45": Split(_ML45, "ML45", _ML45_HELD_OUT, "ML45-held-out"),
}
"""Benchmarks with a fixed list of tasks."""


@functools.cache
def _instructions() -> dict[str, dict[str, list[str]]]:
    content: dict[str, dict[str, list[str]]] = json.loads(
        _INSTRUCTIONS.read_text(encoding="utf-8")
    )
    return content


@functools.cache
def task(name: str) -> Task:
    """Task of a name, with its instructions and tier."""
    wordings = _instructions()[name]
    return Task(
        name=name,
        instructions=tuple(wordings["train"]),
        held_out_instructions=tuple(wordings["held_out"]),
        tier=TIERS[name],
    )
