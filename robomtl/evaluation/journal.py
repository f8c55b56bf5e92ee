"""Finished cells of an experiment, on disk as soon as they are reported."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robomtl.errors import InputError, OtherRequestError
from robomtl.evaluation.journal_lines import (
    Began,
    Done,
    Finished,
    Head,
    Note,
    Session,
    check_fits,
)
from robomtl.evaluation.rollout import Outcome
from robomtl.files.durable import append_line, read_lines, write_text
from robomtl.files.request import check_there, plain, refuse_other
from robomtl.files.untrusted import converted, parse_json
from robomtl.mismatch import Mismatch
from robomtl.versions import packages

_CHUNKS = ("chunks", dict[str, int])

ATTEMPTS = 3
"""Calls in which a cell is tried that the machine fails, before its errors are final."""


@dataclass
class Journal:
    """The finished cells of one plan.

    The file has a JSON object on each line: the plan first; then, for each session that
    worked on it, what it computed with; and each cell as it finished. A cell that the
    machine failed may have several lines, of which the last counts.
    """

    path: Path
    """The file."""
    done: dict[int, Done] = field(default_factory=dict)
    """What came of each finished cell, by its place in the plan."""
    sessions: list[Session] = field(default_factory=list)
    """Sessions that worked on the plan; at least 1 where a cell is finished."""
    computed: list[Session] = field(default_factory=list)
    """Sessions that finished a cell."""
    processors: set[str] = field(default_factory=set)
    """Processors that cells were played on."""
    seconds: float = 0.0
    """Time that went into the finished cells, of all sessions [s]."""
    _failures: Counter[int] = field(default_factory=Counter)

    @property
    def outcomes(self) -> dict[int, list[Outcome]]:
        """The outcomes of each finished cell's trials, by its place in the plan."""
        return {place: done.outcomes for place, done in self.done.items()}

    def left(self, place: int) -> bool:
        """Whether a cell is to be played: it was not, or the machine failed it."""
        done = self.done.get(place)
        return done is None or (done.retry and self._failures[place] < ATTEMPTS)

    def begin(self, session: Session) -> None:
        """Records that a session works on the plan from now on."""
        self._add({"session": asdict(session)})
        self.sessions.append(session)

    def append(self, place: int, done: Done, seconds: float) -> None:
        """Records a finished cell; it is on disk when this returns.

        Args:
            place: Its place in the plan.
            done: What came of it.
            seconds: Time since the session began or last finished a cell [s].
        """
        note = Note(cost=done.cost, reason=done.reason, measured=done.measured)
        entry = {
            "chunk": place,
            "seconds": seconds,
            "processor": done.processor,
            **({} if note == Note() else {"note": plain(note)}),
            **({"retry": True} if done.retry else {}),
            "outcomes": [asdict(outcome) for outcome in done.outcomes],
        }
        self._add(entry)
        self._enter(place, done, seconds)

    def take(self, line: str, sizes: Sequence[int], *, where: str) -> None:
        """Enters what a line of the file says.

        Args:
            line: The line.
            sizes: How many outcomes each cell of the plan has.
            where: Names the line in messages.

        Raises:
            InputError: If it is of another form, or does not fit the plan.
        """
        entry = parse_json(line, dict[str, Any], where=where)
        if "session" in entry:
            self.sessions.append(converted(entry, Began, where=where).session)
            return
        there = converted(entry, Finished, where=where)
        check_fits(there, sizes, where)
        if not self.sessions:
            raise InputError(f"{where} is damaged: a chunk before any session.")
        note = there.note or Note()
        kept = note.cost, note.reason, note.measured, there.retry
        done = Done(there.outcomes, there.processor, *kept)
        self._enter(there.chunk, done, there.seconds)

    def _enter(self, place: int, done: Done, seconds: float) -> None:
        self.done[place] = done
        self.seconds += seconds
        self._failures[place] += done.retry
        if done.processor:
            self.processors.add(done.processor)
        if self.sessions and self.sessions[-1] not in self.computed[-1:]:
            self.computed.append(self.sessions[-1])

    def _add(self, entry: Mapping[str, Any]) -> None:
        check_there(self.path)
        append_line(self.path, json.dumps(entry))

    def made(self) -> dict[str, Any]:
        """With what, where and how long the cells were made, for ``results.json``."""
        known = [each.versions for each in self.computed if each.versions]
        commits = dict.fromkeys(each.commit for each in self.computed if each.commit)
        on = self.processors or {each.processor for each in self.sessions}
        return {
            "versions": known[-1] if known else packages(),
            "commit": "; ".join(commits) or None,
            "processor": "; ".join(sorted(on)),
            "workers": self.sessions[-1].workers,
            "seconds": round(self.seconds, 3),
        }


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
        # The hash of the trials differs wherever a setting does that decides them.
        trials = there.plan.get("trials")
        refuse_other(path.parent, there.plan, {**plan, "trials": trials})
        refuse_other(path.parent, there.plan, plan)
    journal = Journal(path)
    _fill(journal, Head(plan=plan, origin=origin), sizes)
    return journal


def open_growing(
    path: Path,
    plan: Mapping[str, Any],
    *,
    growing: Sequence[str],
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
        sizes = shared.pop("chunks")
        refuse_other(path.parent, {**before, **known}, {**plan, **known, **shared})
        for name, size in known["chunks"].items():
            if size != sizes[name]:
                differing = Mismatch("trials", size, sizes[name], of=name)
                raise OtherRequestError(path.parent, [differing])
    whole = {name: {**before.get(name, {}), **plan[name]} for name in fields}
    chunks: dict[str, int] = whole["chunks"]
    journal = Journal(path)
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
