"""Finished chunks of an evaluation, on disk as soon as they are reported."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from robomtl.durable import append_line, read_lines, write_text
from robomtl.evaluation.rollout import Outcome
from robomtl.request import differences


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
    sessions: list[dict[str, Any]] = field(default_factory=list)
    """How each session ran."""
    seconds: float = 0.0
    """Time that went into the finished chunks, of all sessions [s]."""

    def begin(self, session: Mapping[str, Any]) -> None:
        """Records that a session works on the plan from now on."""
        append_line(self.path, json.dumps({"session": dict(session)}))
        self.sessions.append(dict(session))

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


def open_journal(path: Path, plan: Mapping[str, Any]) -> Journal:
    """The journal of a plan, begun or continued.

    Args:
        path: Its file.
        plan: Everything outcomes depend on, as JSON gives it back: lists, no tuples.

    Raises:
        ValueError: If the file is of another plan, naming the fields that differ, or if
            a line of it is broken.
    """
    lines = read_lines(path)
    if not lines:
        write_text(path, json.dumps({"plan": plan}) + "\n")
        return Journal(path)
    with _reading(path, 1):
        there = json.loads(lines[0])["plan"]
    _check_plan(path, there, plan)
    write_text(path, "".join(f"{line}\n" for line in lines))  # Ends a torn line.
    journal = Journal(path)
    for number, line in enumerate(lines[1:], start=2):
        with _reading(path, number):
            _take(journal, json.loads(line))
    return journal


@contextmanager
def _reading(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}, line {number} is broken ({error!r}); remove the file to begin anew."
        ) from error


def _check_plan(path: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    differing = list(differences(there, here))
    if differing:
        raise ValueError(
            f"{path} is of another evaluation: {'; '.join(differing)}. Write this one to"
            " another folder."
        )


def _take(journal: Journal, entry: Any) -> None:
    if "session" in entry:
        journal.sessions.append(entry["session"])
        return
    journal.outcomes[entry["chunk"]] = [Outcome(**row) for row in entry["outcomes"]]
    journal.seconds += entry["seconds"]
