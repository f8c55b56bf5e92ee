"""The conditions under which an agent is evaluated, and the plan that follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from robomtl.errors import InputError
from robomtl.evaluation.instructions import task_infos_of
from robomtl.evaluation.rollout import Criterion, Until
from robomtl.evaluation.trials import Chunk, deal, plan, side_by_side
from robomtl.ranges import check_seed, check_types
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """The settings that conditions share with the config they are settled from."""

    tasks: Sequence[str] | None = None
    """Names of the tasks; None for the training tasks."""
    repeats: int = 1
    """Trials of each variation."""
    instructions: Path | str = "canonical"
    """One of ``robomtl.evaluation.instructions.KINDS``, such as ``canonical``, ``held-out``
    or ``shuffled``, or a JSON file with a list of wordings for each task; see ``task_infos_of``."""
    until: Until = "horizon"
    """``horizon`` plays each trial to its end; ``success`` stops it once solved, which is
    faster and leaves success at the last step unknown."""
    seed: int = 0
    """Decides whose instruction a task gets when they are shuffled."""

    def __post_init__(self) -> None:
        """Checks the types and the seed.

        Raises:
            InputError: If a value is of another type, or the seed out of range.
        """
        check_types(self)
        check_seed(self.seed)
        if self.tasks is not None:
            object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "instructions", str(self.instructions))


@dataclass(frozen=True, kw_only=True)
class Conditions(TrialSettings):
    """The trials of an evaluation, their instructions, and when they end."""

    instructions: str = "canonical"
    """Kind of instructions, or a JSON file of wordings; see ``task_infos_of``."""
    split: str = "fresh"
    """Which variations."""
    episodes: int = 50
    """Variations of each task."""
    criterion: Criterion = "any step"
    """When a trial counts as solved."""

    def __post_init__(self) -> None:
        """Checks when trials end and when they count as solved.

        Raises:
            InputError: If a value is of another type or unknown, or trials would stop
                before their last step is known.
        """
        super().__post_init__()
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
        return cls(**{field.name: values[field.name] for field in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The trials of an evaluation, made before anything runs."""

    suite: Suite
    """Supplies the tasks."""
    conditions: Conditions
    """Conditions of the trials."""
    chunks: tuple[Chunk, ...]
    """The trials with their instructions."""


def planned(suite: Suite, conditions: Conditions) -> Plan:
    """The plan of an evaluation.

    Raises:
        ValueError: If the conditions do not fit the suite; see ``chunks_of``.
    """
    chunks = chunks_of(suite, conditions)
    return Plan(suite=suite, conditions=conditions, chunks=chunks)


def chunks_of(suite: Suite, conditions: Conditions) -> tuple[Chunk, ...]:
    """The trials with their instructions, divided into chunks.

    Raises:
        ValueError: If the conditions do not fit the suite; see ``plan`` and ``task_infos_of``.
    """
    trials = plan(
        suite,
        conditions.tasks,
        split=conditions.split,
        episodes=conditions.episodes,
        repeats=conditions.repeats,
    )
    task_infos = task_infos_of(
        suite, trials, conditions.instructions, seed=conditions.seed
    )
    return deal(trials, task_infos, side_by_side(suite))
