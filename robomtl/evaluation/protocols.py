"""Named protocols of evaluation, which make published success rates comparable.

``lerobot`` follows LeRobot's Meta-World benchmark (huggingface/lerobot,
``envs/metaworld.py`` and ``envs/configs.py``): new goals, 10 episodes per task,
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
"""Name of conditions that match no protocol; their differences may follow it."""

_ALL = "all of the suite"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Conditions that all evaluations under one name share."""

    line: str
    """Description of the protocol, in a line."""
    split: str
    """Split whose variations are played."""
    episodes: int
    """Number of variations of each task; required if ``horizon`` is set, else a default."""
    criterion: Criterion
    """Step at which success counts: any step, or the last."""
    horizon: int | None
    """Number of steps after which a trial ends; None allows any horizon, number of
    episodes and selection of tasks."""
    until: Until | None = None
    """Rule by which a trial ends; None if both rules give the same rates."""

    def differences(
        self, conditions: Conditions, suite: Suite
    ) -> Mapping[str, tuple[object, object]]:
        """Pairs (value of the protocol, value of the conditions) that differ, by field."""
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
    """Requested tasks in words: all training, held-out or other tasks, or their number."""
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
        line="10 other goals per task, 400 steps; reports the tier mean",
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
    """Protocol of this name.

    Raises:
        InputError: If it is unknown; names the nearest.
    """
    check_known("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]


def name_of(conditions: Conditions, suite: Suite) -> str:
    """Name of the first protocol that the conditions match.

    If there is none, the name is ``CUSTOM``, followed by the differences from the most
    similar protocol with the same split.

    Args:
        conditions: Conditions of an evaluation.
        suite: Suite of the tasks; its horizon is compared if a protocol has one.
    """
    found = {
        name: each.differences(conditions, suite) for name, each in PROTOCOLS.items()
    }
    matching = [name for name, differing in found.items() if not differing]
    if matching:
        return matching[0]
    near = [name for name, each in PROTOCOLS.items() if each.split == conditions.split]
    if not near:
        return CUSTOM
    nearest = min(near, key=lambda name: len(found[name]))
    return f"{CUSTOM} ({nearest}, but with {_in_words(found[nearest])})"


def check(name: str, conditions: Conditions, suite: Suite) -> None:
    """Refuses conditions that do not match a protocol.

    Raises:
        InputError: If they differ; names the differences.
    """
    differing = protocol(name).differences(conditions, suite)
    found = {
        field: (expected, "set by the suite" if given is None else given)
        for field, (expected, given) in differing.items()
    }
    if found:
        raise InputError(
            f"The settings do not match the protocol '{name}': {_in_words(found)}. Leave"
            " them out, or name no protocol."
        )


def _in_words(differing: Mapping[str, tuple[object, object]]) -> str:
    """Differences in words."""
    return "; ".join(
        f"{field} {given}, not {expected}"
        for field, (expected, given) in differing.items()
    )
