"""Finished chunks of an evaluation, on disk as soon as they are reported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from robomtl.durable import append_line, read_lines, write_text
from robomtl.evaluation.rollout import Outcome
from robomtl.request import refuse_other


class Session(NamedTuple):
    """How a session ran that worked on a plan."""

    processor: str
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
    seconds: float = 0.0
    """Time that went into the finished chunks, of all sessions [s]."""

    def begin(self, session: Session) -> None:
        """Records that a session works on the plan from now on."""
        append_line(self.path, json.dumps({"session": session._asdict()}))
        self.sessions.append(session)

    def append(self, chunk: int, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Records a finished chunk; it is on disk when this returns.

        Args:
            chunk: Its place in the plan.
            outcomes: Of its trials.
            seconds: Time since the session began or last finished a chunk [s].
        """
        rows = [outcome._asdict() for outcome in outcomes]
        entry = {"chunk": chunk, "seconds": seconds, "outcomes": rows}
        append_line(self.path, json.dumps(entry))
        self.outcomes[chunk] = list(outcomes)
        self.seconds += seconds


def open_journal(path: Path, plan: Mapping[str, Any], sizes: Sequence[int]) -> Journal:
    """The journal of a plan, begun or continued.

    Args:
        path: Its file.
        plan: Everything outcomes depend on, as JSON gives it back: lists, no tuples.
        sizes: How many outcomes each chunk of the plan has.

    Raises:
        ValueError: If the file is of another plan, naming the fields that differ, or if
            a line of it is broken or does not fit the plan, naming the line.
    """
    lines = read_lines(path)
    if not lines:
        write_text(path, json.dumps({"plan": plan}) + "\n")
        return Journal(path)
    with _reading(path, 1):
        there = json.loads(lines[0])["plan"]
    refuse_other(path.parent, there, plan)
    write_text(path, "".join(f"{line}\n" for line in lines))  # Ends a torn line.
    journal = Journal(path)
    for number, line in enumerate(lines[1:], start=2):
        with _reading(path, number):
            _take(journal, json.loads(line), sizes)
    return journal


@contextmanager
def _reading(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}, line {number} is broken ({error!r}); remove the file to begin anew."
        ) from error


def _take(journal: Journal, entry: Any, sizes: Sequence[int]) -> None:
    if "session" in entry:
        journal.sessions.append(Session(**entry["session"]))
        return
    chunk, outcomes = entry["chunk"], [Outcome(**row) for row in entry["outcomes"]]
    if not journal.sessions:
        raise ValueError("a chunk before any session")
    if chunk not in range(len(sizes)) or len(outcomes) != sizes[chunk]:
        raise ValueError(f"no chunk {chunk} of {len(outcomes)} outcomes in the plan")
    journal.outcomes[chunk] = outcomes
    journal.seconds += entry["seconds"]
