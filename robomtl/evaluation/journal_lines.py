"""Lines of a journal: the plan, who works on it, and what came of each cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robomtl.cost import Cost
from robomtl.errors import InputError
from robomtl.evaluation.rollout import Outcome
from robomtl.versions import packages, versions

_MOST = 2**31  # Steps of a trial.


@dataclass(frozen=True)
class Session:
    """A session that works on a plan, and what it computes with."""

    processor: str
    """Processor of the machine it was started on; workers report their own with each
    cell."""
    workers: int
    """Number of processes."""
    versions: Mapping[str, str] | None = None
    """Versions of the packages that outcomes depend on; None in journals of earlier
    versions."""
    commit: str | None = None
    """Git commit robomtl ran from; None where it was installed, or not recorded."""

    @classmethod
    def here(cls, workers: int) -> "Session":
        """A session of this process."""
        known = versions()
        return cls(known["processor"], workers, packages(), known.get("commit"))


@dataclass(frozen=True)
class Done:
    """The result of a cell."""

    outcomes: list[Outcome]
    """Outcomes of its trials; errors where learning gave up or the machine failed."""
    processor: str | None = None
    """What it was played on; None if no process lived to report it."""
    cost: Cost | None = None
    """None where nothing was learned, or learning gave up."""
    reason: str | None = None
    """Why it gave up."""
    measured: Mapping[str, Any] | None = None
    """What else is kept of it, as JSON can hold it."""
    retry: bool = False
    """Whether the machine failed, so that the cell is tried again by the next call."""
    warnings: tuple[str, ...] = ()
    """Sentences that its run prints once, and no journal keeps; see ``robomtl.warned``."""

    @classmethod
    def failed(cls, reason: str, trials: int, *, retry: bool = False) -> "Done":
        """A cell without any outcome."""
        return cls([Outcome(error=reason)] * trials, reason=reason, retry=retry)


@dataclass(frozen=True, kw_only=True)
class Head:
    """The first line of a journal."""

    plan: Mapping[str, Any]
    """Everything that outcomes depend on."""
    origin: Mapping[str, Any] | None = None
    """What else makes the plan again; see ``open_journal``."""


@dataclass(frozen=True, kw_only=True)
class Began:
    """The line of a session."""

    session: Session


@dataclass(frozen=True, kw_only=True)
class Note:
    """The fields of a line beside the outcomes of its cell; see ``Done``."""

    cost: Cost | None = None
    reason: str | None = None
    measured: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The line of a finished chunk; see ``Journal.append``."""

    chunk: int
    seconds: float
    outcomes: list[Outcome]
    processor: str | None = None
    note: Note | None = None
    retry: bool = False


def check_fits(done: Finished, sizes: Sequence[int], where: str) -> None:
    """Makes sure that a line is of a chunk of the plan, and its outcomes are possible.

    Args:
        done: The line.
        sizes: How many outcomes each chunk of the plan has.
        where: Names the line in the message.

    Raises:
        InputError: If it is not.
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
