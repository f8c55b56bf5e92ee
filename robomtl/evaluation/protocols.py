"""Protocols of evaluation by name: what a published number has to say of itself.

``lerobot`` follows LeRobot's Meta-World benchmark (huggingface/lerobot,
``envs/metaworld.py`` and ``envs/configs.py``): goals drawn anew, 10 episodes a task,
episodes of 400 steps, success at any step, tasks averaged within tiers. The goals are
those of the split ``fresh``, as LeRobot's follow from the state of a process.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.rollout import Criterion, Until
from robomtl.nearest import check_known
from robomtl.suites import unshifted
from robomtl.task import Suite

CUSTOM = "custom"
"""The name of conditions that no protocol has; what differs may follow it."""

_ALL = "all of the suite"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A protocol: the conditions that evaluations under one name share."""

    line: str
    """What it is, in a line."""
    split: str
    """Which variations."""
    episodes: int
    """Variations of each task: exactly so many where the horizon is fixed too, or as a
    default."""
    criterion: Criterion
    """When a trial counts as solved."""
    horizon: int | None
    """Steps after which a trial ends; None for the suite's own, and any number of
    episodes and any tasks."""
    until: Until | None = None
    """When a trial ends; None where either rule gives the same rates."""

    def differences(
        self, conditions: Conditions, suite: Suite
    ) -> Mapping[str, tuple[object, object]]:
        """By field, what the protocol has and what the conditions have instead."""
        pairs: dict[str, tuple[object, object]] = {
            "suite": (unshifted(suite.name), suite.name),
            "split": (self.split, conditions.split),
            "criterion": (self.criterion, conditions.criterion),
            "repeats": (1, conditions.repeats),
            "instructions": ("canonical", conditions.instructions),
        }
        if self.until is not None:
            pairs["until"] = self.until, conditions.until
        if self.horizon is not None:
            pairs["horizon"] = self.horizon, suite.options.get("horizon")
            pairs["episodes"] = self.episodes, conditions.episodes
            pairs["tasks"] = _ALL, _tasks(conditions, suite)
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _tasks(conditions: Conditions, suite: Suite) -> str:
    """The requested tasks: all that a suite trains on, holds out or has, or how many."""
    train, held_out = (
        {task.name for task in tasks}
        for tasks in (suite.train_tasks, suite.held_out_tasks)
    )
    given = train if conditions.tasks is None else {*conditions.tasks}
    if given in (train, held_out, train | held_out):
        return _ALL
    return f"{len(given)} of {len(train | held_out)}"


PROTOCOLS = {
    "official": Protocol(
        line="each of the 50 goals Meta-World draws with seed 42, once; 500 steps",
        split="official",
        episodes=50,
        criterion="any step",
        horizon=500,
        until="horizon",
    ),
    "lerobot": Protocol(
        line="10 other goals a task, 400 steps; its number is the tier mean",
        split="fresh",
        episodes=10,
        criterion="any step",
        horizon=400,
    ),
    "strict": Protocol(
        line="other goals, solved only if success holds at the last step",
        split="fresh",
        episodes=50,
        criterion="last step",
        horizon=None,
    ),
    "fresh": Protocol(
        line="goals that neither training nor the official split has",
        split="fresh",
        episodes=50,
        criterion="any step",
        horizon=None,
    ),
}


def protocol(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        InputError: If there is none.
    """
    check_known("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def name_of(conditions: Conditions, suite: Suite) -> str:
    """The first protocol of which the conditions keep every part.

    Where none is kept, the name is ``CUSTOM``, followed by what differs from the first
    protocol that uses the same split.

    Args:
        conditions: Under which an agent is evaluated.
        suite: Supplies the tasks, and may say after how many steps its trials end.
    """
    found = {
        name: each.differences(conditions, suite) for name, each in PROTOCOLS.items()
    }
    kept = [name for name, differing in found.items() if not differing]
    if kept:
        return kept[0]
    near = [name for name, each in PROTOCOLS.items() if each.split == conditions.split]
    if not near:
        return CUSTOM
    nearest = min(near, key=lambda name: len(found[name]))
    return f"{CUSTOM} ({nearest}, but with {_in_words(found[nearest])})"


def check(name: str, conditions: Conditions, suite: Suite) -> None:
    """Refuses conditions that are not the protocol's.

    Raises:
        InputError: Naming what differs.
    """
    found = protocol(name).differences(conditions, suite)
    if found:
        raise InputError(
            f"The protocol '{name}' is not kept: {_in_words(found)}. Leave out what differs,"
            " or name no protocol."
        )


def _in_words(differing: Mapping[str, tuple[object, object]]) -> str:
    """The differing conditions, in words."""
    return "; ".join(
        f"{field} {given}, not {wanted}" for field, (wanted, given) in differing.items()
    )
