"""Lines of a journal: the plan, the sessions that work on it, and finished cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robomtl.cost import Cost
from robomtl.errors import InputError
from robomtl.evaluation.rollout import Outcome
from robomtl.versions import packages, versions

_MOST = 2**31  # Largest number of steps of a trial.


@dataclass(frozen=True)
class Session:
    """Session that works on a plan, with its software and hardware."""

    processor: str
    """Processor of the machine that started the session; workers report their own with
    each cell."""
    workers: int
    """Number of worker processes."""
    versions: Mapping[str, str] | None = None
    """Versions of the packages that outcomes depend on; None in journals of earlier
    versions."""
    commit: str | None = None
    """Git commit of robomtl; None if it was installed as a package, or is not recorded."""

    @classmethod
    def current(cls, workers: int) -> "Session":
        """Session of this process."""
        known = versions()
        return cls(known["processor"], workers, packages(), known.get("commit"))


@dataclass(frozen=True)
class Done:
    """Result of a cell."""

    outcomes: list[Outcome]
    """Outcomes of its trials; errors if learning gave up or the machine failed."""
    processor: str | None = None
    """Processor that played it; None if no worker survived to report it."""
    cost: Cost | None = None
    """Cost of its adaptation or training; None if nothing was learned."""
    reason: str | None = None
    """Reason why learning gave up, or the machine failed; None otherwise."""
    measured: Mapping[str, Any] | None = None
    """Further measurements to record, as plain data."""
    retry: bool = False
    """Whether the machine failed, so that the next call tries the cell again."""
    warnings: tuple[str, ...] = ()
    """Warnings to print once; they are not recorded; see ``robomtl.warned``."""

    @classmethod
    def failed(cls, reason: str, trials: int, *, retry: bool = False) -> "Done":
        """Result of a cell without any outcome."""
        return cls([Outcome(error=reason)] * trials, reason=reason, retry=retry)


@dataclass(frozen=True, kw_only=True)
class Head:
    """First line of a journal."""

    plan: Mapping[str, Any]
    """All data that outcomes depend on."""
    origin: Mapping[str, Any] | None = None
    """Further data from which the plan can be rebuilt; see ``open_journal``."""


@dataclass(frozen=True, kw_only=True)
class Began:
    """Line of a session."""

    session: Session


@dataclass(frozen=True, kw_only=True)
class Note:
    """Optional fields of a cell's line; see ``Done``."""

    cost: Cost | None = None
    reason: str | None = None
    measured: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """Line of a finished chunk; see ``Journal.append``."""

    chunk: int
    seconds: float
    outcomes: list[Outcome]
    processor: str | None = None
    note: Note | None = None
    retry: bool = False


def check_fits(done: Finished, sizes: Sequence[int], where: str) -> None:
    """Checks that a line belongs to a chunk of the plan, and its outcomes are possible.

    Args:
        done: Line of a finished chunk.
        sizes: Number of outcomes of each chunk of the plan.
        where: Name of the line in the message.

    Raises:
        InputError: If the plan has no such chunk, or an outcome is impossible.
    """
    size = len(done.outcomes)
    if done.chunk not in range(len(sizes)) or size != sizes[done.chunk]:
        raise InputError(
            f"{where} is damaged: no chunk {done.chunk} of {size} outcomes in the plan."
        )
    for outcome in done.outcomes:
        if (outcome.success is None) == (outcome.error is None):
            raise InputError(
                f"{where} is damaged: an outcome has either success or an error."
            )
        steps = outcome.length or 0, outcome.first_success_step or 0
        if not all(0 <= step <= _MOST for step in steps):
            raise InputError(
                f"{where} is damaged: a trial has from 0 to {_MOST} steps, not {steps}."
            )
