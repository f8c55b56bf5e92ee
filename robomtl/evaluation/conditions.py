"""Conditions of an evaluation: its trials, their instructions, and when they end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from robomtl.errors import InputError
from robomtl.evaluation.rollout import Criterion, Until
from robomtl.ranges import check_seed, check_types


@dataclass(frozen=True, kw_only=True)
class TrialSettings:
    """Settings shared by ``Conditions`` and ``EvaluationConfig``."""

    tasks: Sequence[str] | None = None
    """Names of the tasks to play; None for the training tasks."""
    repeats: int = 1
    """Number of trials of each variation."""
    instructions: Path | str = "canonical"
    """Kind of instructions, such as ``canonical``, ``held-out`` or ``shuffled``, or
    a JSON file with a list of wordings for each task. The kinds are listed in
    KINDS of ``robomtl.evaluation.instructions``."""
    until: Until = "horizon"
    """``horizon`` plays each trial to its end; ``success`` stops it once solved, which is
    faster, but leaves success at the last step unknown."""
    seed: int = 0
    """Seed of the permutation of ``shuffled`` instructions."""

    def __post_init__(self) -> None:
        """Checks the types and the seed.

        Raises:
            InputError: If a value has the wrong type, or the seed is out of range.
        """
        check_types(self)
        check_seed(self.seed)
        if self.tasks is not None:
            object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "instructions", str(self.instructions))


@dataclass(frozen=True, kw_only=True)
class Conditions(TrialSettings):
    """Conditions of an evaluation: its trials, their instructions, and when they end."""

    instructions: str = "canonical"
    """Kind of instructions, or a JSON file of wordings; see ``task_infos_of``."""
    split: str = "fresh"
    """Name of the split whose variations are played."""
    episodes: int = 50
    """Number of variations of each task."""
    criterion: Criterion = "any step"
    """Step at which success counts: any step, or the last."""

    def __post_init__(self) -> None:
        """Checks the types, and that ``until`` fits the criterion.

        Raises:
            InputError: If a value has the wrong type or is unknown, or trials would stop
                at success although the last step decides.
        """
        super().__post_init__()
        if self.criterion == "last step" and self.until == "success":
            raise InputError(
                "Success at the last step is unknown if trials stop at success; use"
                " until='horizon'."
            )

    @classmethod
    def recorded(cls, values: Mapping[str, Any]) -> "Conditions":
        """Conditions from the fields of a journal or of results.

        Args:
            values: Values by name; others than the conditions are ignored.

        Raises:
            KeyError: If a field is missing.
        """
        return cls(**{field.name: values[field.name] for field in fields(cls)})
