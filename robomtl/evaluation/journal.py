"""Finished chunks of an evaluation, on disk as soon as they are reported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from robomtl.durable import append_line, read_lines, write_text
from robomtl.errors import InputError
from robomtl.evaluation.rollout import Outcome
from robomtl.request import check_there, plain, refuse_other
from robomtl.untrusted import converted, parse_json

_CHUNKS = ("chunks", dict[str, int])
_MOST = 2**31  # Steps of a trial.


@dataclass(frozen=True)
class Session:
    """How a session ran that worked on a plan."""

    processor: str
    """Of the machine it was started on; workers tell their own with each chunk."""
    workers: int
    """Number of processes."""


@dataclass(frozen=True, kw_only=True)
class Head:
    """The first line of a journal."""

    plan: Mapping[str, Any]
    """Everything that outcomes depend on."""
    origin: Mapping[str, Any] | None = None
    """What else makes the plan again; see ``open_journal``."""


@dataclass(frozen=True, kw_only=True)
class _Began:
    """The line of a session."""

    session: Session


@dataclass(frozen=True, kw_only=True)
class _Finished:
    """The line of a finished chunk; see ``Journal.append``."""

    chunk: int
    seconds: float
    outcomes: list[Outcome]
    processor: str | None = None
    note: Any = None


@dataclass
class Journal:
    """What is finished of one plan.

    The file has a JSON object on each line: the plan first; then, for each session that
    worked on it, how the session ran; and each chunk as it finished.
    """

    path: Path
    """The file."""
    note: type[Any] = NoneType
    """Type of what is noted of a chunk, a dataclass; that of None where nothing is."""
    outcomes: dict[int, list[Outcome]] = field(default_factory=dict)
    """Of each finished chunk, by its place in the plan."""
    sessions: list[Session] = field(default_factory=list)
    """Those that worked on it; at least 1 where a chunk is finished."""
    processors: set[str] = field(default_factory=set)
    """Those that chunks were played on."""
    notes: dict[int, Any] = field(default_factory=dict)
    """What was noted of finished chunks, by their place."""
    seconds: float = 0.0
    """Time that went into the finished chunks, of all sessions [s]."""

    def begin(self, session: Session) -> None:
        """Records that a session works on the plan from now on."""
        self._add({"session": asdict(session)})
        self.sessions.append(session)

    def append(
        self,
        chunk: int,
        outcomes: Sequence[Outcome],
        seconds: float,
        processor: str | None = None,
        note: Any = None,
    ) -> None:
        """Records a finished chunk; it is on disk when this returns.

        Args:
            chunk: Its place in the plan.
            outcomes: Of its trials.
            seconds: Time since the session began or last finished a chunk [s].
            processor: What it was played on; None if that is not known.
            note: What else is to be kept of it; None for nothing.
        """
        rows = [asdict(outcome) for outcome in outcomes]
        entry = {"chunk": chunk, "seconds": seconds, "processor": processor}
        if note is not None:
            entry["note"] = plain(note)
        self.notes[chunk] = note
        self._add({**entry, "outcomes": rows})
        self.outcomes[chunk] = list(outcomes)
        self.seconds += seconds
        self._played_on(processor)

    def take(self, line: str, sizes: Sequence[int], *, where: str) -> None:
        """Enters what a line of the file says.

        Args:
            line: The line.
            sizes: How many outcomes each chunk of the plan has.
            where: Names the line in messages.

        Raises:
            InputError: If it is of another form, or does not fit the plan.
        """
        entry = parse_json(line, dict[str, Any], where=where)
        if "session" in entry:
            self.sessions.append(converted(entry, _Began, where=where).session)
            return
        done = converted(entry, _Finished, where=where)
        _check_fits(done, sizes, where)
        if not self.sessions:
            raise InputError(f"{where} is damaged: a chunk before any session.")
        self.notes[done.chunk] = converted(done.note, self.note, where=where)
        self.outcomes[done.chunk] = done.outcomes
        self.seconds += done.seconds
        self._played_on(done.processor)

    def _add(self, entry: Mapping[str, Any]) -> None:
        check_there(self.path)
        append_line(self.path, json.dumps(entry))

    def _played_on(self, processor: str | None) -> None:
        if processor:
            self.processors.add(processor)


def open_journal(
    path: Path,
    plan: Mapping[str, Any],
    sizes: Sequence[int],
    *,
    origin: Mapping[str, Any] | None = None,
) -> Journal:
    """The journal of a plan, begun or continued.

    Args:
        path: Its file.
        plan: Everything outcomes depend on, as JSON gives it back: lists, no tuples.
        sizes: How many outcomes each chunk of the plan has.
        origin: Whatever else makes the plan again, such as where an agent is stored;
            kept beside it as it was last, and compared with nothing.

    Raises:
        ValueError: If the file is of another plan, naming the fields that differ, or if
            a line of it is broken or does not fit the plan, naming the line.
    """
    there = _binding_head(path)
    if there is not None:
        refuse_other(path.parent, there.plan, plan)
    journal = Journal(path)
    _fill(journal, Head(plan=plan, origin=origin), sizes)
    return journal


def open_growing(
    path: Path,
    plan: Mapping[str, Any],
    *,
    growing: Sequence[str],
    note: type[Any] = NoneType,
) -> tuple[Journal, dict[str, int]]:
    """The journal of a plan that others add to, begun or continued, and its places.

    Args:
        path: Its file.
        plan: Everything outcomes depend on, as JSON gives it back; ``chunks`` has how
            many outcomes each chunk has, by its name.
        growing: Fields of the plan that hold something by name, of which there may be
            more than before; what was there before is kept.
        note: Type of what is noted of each chunk, a dataclass; that of None for nothing.

    Returns:
        The journal, and of each chunk's name its place in it.

    Raises:
        ValueError: As ``open_journal``; fields that grow are compared by the names that
            both have.
    """
    there = _binding_head(path)
    before = {} if there is None else there.plan
    fields = (*growing, "chunks")
    with _reading(path):
        for name, form in (*((name, dict[str, Any]) for name in growing), _CHUNKS):
            converted(before.get(name, {}), form, where=f"{path}, {name} of the plan")
    shared = {
        name: {
            key: plan[name][key] for key in before.get(name, {}) if key in plan[name]
        }
        for name in fields
    }
    if there is not None:
        known = {name: {k: before[name][k] for k in shared[name]} for name in fields}
        refuse_other(path.parent, {**before, **known}, {**plan, **shared})
    whole = {name: {**before.get(name, {}), **plan[name]} for name in fields}
    chunks: dict[str, int] = whole["chunks"]
    journal = Journal(path, note)
    _fill(journal, Head(plan={**plan, **whole}), list(chunks.values()))
    return journal, {name: place for place, name in enumerate(chunks)}


def _fill(journal: Journal, head: Head, sizes: Sequence[int]) -> None:
    """Enters the lines of a journal's file, and writes the file with another head."""
    path = journal.path
    lines = [json.dumps(asdict(head)), *read_lines(path)[1:]]
    with _reading(path):
        for number, line in enumerate(lines[1:], start=2):
            journal.take(line, sizes, where=f"{path}, line {number}")
    write_text(path, "".join(f"{line}\n" for line in lines))  # Ends a torn line.


def _check_fits(done: _Finished, sizes: Sequence[int], where: str) -> None:
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


def _binding_head(path: Path) -> Head | None:
    """The first line of a journal in which a chunk was finished; None of any other.

    A plan of which nothing was finished binds nobody; see ``check_claim``.
    """
    head = read_head(path)
    sessions = (line.startswith('{"session"') for line in read_lines(path)[1:])
    return None if all(sessions) else head


def read_head(path: Path) -> Head | None:
    """The first line of a journal; None where none was begun.

    Raises:
        InputError: If the file is not a journal.
    """
    lines = read_lines(path)
    if not lines:
        return None
    with _reading(path):
        return parse_json(lines[0], Head, where=f"{path}, line 1")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{error} Remove {path.name} to begin anew.") from error
