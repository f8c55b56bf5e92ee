"""Finished chunks of an evaluation, on disk as soon as they are reported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from robomtl.durable import append_line, read_lines, write_text
from robomtl.errors import InputError
from robomtl.evaluation.rollout import Outcome
from robomtl.request import refuse_other


class Session(NamedTuple):
    """How a session ran that worked on a plan."""

    processor: str
    """Of the machine it was started on; workers tell their own with each chunk."""
    workers: int
    """Number of processes."""


@dataclass
class Journal:
    """What is finished of one plan.

    The file has a JSON object on each line: the plan first; then, for each session that
    worked on it, how the session ran; and each chunk as it finished.
    """

    path: Path
    """The file."""
    outcomes: dict[int, list[Outcome]] = field(default_factory=dict)
    """Of each finished chunk, by its place in the plan."""
    sessions: list[Session] = field(default_factory=list)
    """Those that worked on it; at least 1 where a chunk is finished."""
    processors: set[str] = field(default_factory=set)
    """Those that chunks were played on."""
    notes: dict[int, Any] = field(default_factory=dict)
    """What was noted of finished chunks, by their place, where anything was."""
    seconds: float = 0.0
    """Time that went into the finished chunks, of all sessions [s]."""

    def begin(self, session: Session) -> None:
        """Records that a session works on the plan from now on."""
        append_line(self.path, json.dumps({"session": session._asdict()}))
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
            note: What else is to be kept of it, as JSON can hold it; None for nothing.
        """
        rows = [outcome._asdict() for outcome in outcomes]
        entry = {"chunk": chunk, "seconds": seconds, "processor": processor}
        if note is not None:
            entry["note"] = self.notes[chunk] = note
        append_line(self.path, json.dumps({**entry, "outcomes": rows}))
        self.outcomes[chunk] = list(outcomes)
        self.seconds += seconds
        self._played_on(processor)

    def take(self, entry: Any, sizes: Sequence[int]) -> None:
        """Enters what a line of the file says.

        Raises:
            ValueError: If it does not fit the plan.
            KeyError: If it lacks a field.
            TypeError: If it holds something else than is written.
        """
        if "session" in entry:
            self.sessions.append(Session(**entry["session"]))
            return
        chunk, outcomes = entry["chunk"], [Outcome(**row) for row in entry["outcomes"]]
        if not self.sessions:
            raise InputError("a chunk before any session")
        if chunk not in range(len(sizes)) or len(outcomes) != sizes[chunk]:
            raise InputError(
                f"no chunk {chunk} of {len(outcomes)} outcomes in the plan"
            )
        self.outcomes[chunk] = outcomes
        if "note" in entry:
            self.notes[chunk] = entry["note"]
        self.seconds += entry["seconds"]
        self._played_on(entry.get("processor"))

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
    there = read_head(path)
    if there is not None:
        refuse_other(path.parent, there["plan"], plan)
    return _opened(path, plan, sizes, origin)


def open_growing(
    path: Path, plan: Mapping[str, Any], *, growing: Sequence[str]
) -> tuple[Journal, dict[str, int]]:
    """The journal of a plan that others add to, begun or continued, and its places.

    Args:
        path: Its file.
        plan: Everything outcomes depend on, as JSON gives it back; ``chunks`` has how
            many outcomes each chunk has, by its name.
        growing: Fields of the plan that hold something by name, of which there may be
            more than before; what was there before is kept.

    Returns:
        The journal, and of each chunk's name its place in it.

    Raises:
        ValueError: As ``open_journal``; fields that grow are compared by the names that
            both have.
    """
    there = read_head(path)
    before = {} if there is None else there["plan"]
    fields = (*growing, "chunks")
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
    journal = _opened(path, {**plan, **whole}, list(chunks.values()), None)
    return journal, {name: place for place, name in enumerate(chunks)}


def _opened(
    path: Path,
    plan: Mapping[str, Any],
    sizes: Sequence[int],
    origin: Mapping[str, Any] | None,
) -> Journal:
    lines = [json.dumps({"plan": plan, "origin": origin}), *read_lines(path)[1:]]
    journal = Journal(path)
    for number, line in enumerate(lines[1:], start=2):
        with _reading(path, number):
            journal.take(json.loads(line), sizes)
    write_text(path, "".join(f"{line}\n" for line in lines))  # Ends a torn line.
    return journal


def read_head(path: Path) -> dict[str, Any] | None:
    """The ``plan`` a journal is of and its ``origin``; None where none was begun.

    Raises:
        ValueError: If the file is no journal.
    """
    lines = read_lines(path)
    if not lines:
        return None
    with _reading(path, 1):
        head = json.loads(lines[0])
        return {"plan": head["plan"], "origin": head.get("origin")}


@contextmanager
def _reading(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}, line {number} is broken ({error!r}); remove the file to begin anew."
        ) from error
