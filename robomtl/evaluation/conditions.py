"""Under which conditions an agent is evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from robomtl.errors import InputError
from robomtl.evaluation.instructions import tell
from robomtl.evaluation.rollout import Criterion, Until
from robomtl.evaluation.trials import Chunk, deal, plan, side_by_side
from robomtl.ranges import check_seed, check_types
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The trials of an evaluation, their instructions, and when they end."""

    tasks: tuple[str, ...] | None = None
    """Names of the tasks; None for the training tasks."""
    split: str = "fresh"
    """Which variations."""
    episodes: int = 50
    """Variations of each task."""
    repeats: int = 1
    """Trials of each variation."""
    instructions: str = "canonical"
    """Kind of instructions, or a JSON file of wordings; see ``tell``."""
    until: Until = "horizon"
    """``horizon`` plays trials to their end, ``success`` stops them once solved."""
    criterion: Criterion = "any step"
    """When a trial counts as solved."""
    seed: int = 0
    """Decides whose instruction a task gets when they are shuffled."""

    def __post_init__(self) -> None:
        """Checks when trials end and when they count as solved.

        Raises:
            InputError: If a value is of another type or unknown, or trials would stop
                before their last step is known.
        """
        check_types(self)
        check_seed(self.seed)
        if self.criterion == "last step" and self.until == "success":
            raise InputError(
                "Success at the last step is unknown where trials stop at success; play"
                " them until='horizon'."
            )

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> "Conditions":
        """The conditions among the values that a journal or a result has, by name.

        Raises:
            KeyError: If one is missing.
        """
        known = {field.name: values[field.name] for field in fields(cls)}
        tasks = known["tasks"]
        return cls(**{**known, "tasks": None if tasks is None else tuple(tasks)})


def chunks_of(suite: Suite, conditions: Conditions) -> tuple[Chunk, ...]:
    """The trials with their instructions, divided into chunks.

    Raises:
        ValueError: If the conditions do not fit the suite; see ``plan`` and ``tell``.
    """
    trials = plan(
        suite,
        conditions.tasks,
        split=conditions.split,
        episodes=conditions.episodes,
        repeats=conditions.repeats,
    )
    task_infos = tell(suite, trials, conditions.instructions, seed=conditions.seed)
    return deal(trials, task_infos, side_by_side(suite))
