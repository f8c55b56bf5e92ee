"""Journal of finished cells, which are on disk as soon as they are reported."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robomtl.errors import DiskFullError, InputError, OtherRequestError
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
from robomtl.files.durable import append_line, read_lines, room, write_text
from robomtl.files.request import check_not_removed, plain, refuse_other
from robomtl.files.untrusted import converted, parse_json
from robomtl.mismatch import Mismatch
from robomtl.versions import packages

_CHUNKS = ("chunks", dict[str, int])
_ROOM = 2**18  # Bytes for the cell that is finished when a disk is full; 130 per trial.

ATTEMPTS = 3
"""Number of calls that try a cell on which the machine fails, before it counts as an
error."""


@dataclass
class Journal:
    """Finished cells of a plan, in memory and in a file.

    The file has a JSON object on each line: the plan; a line for each session that worked
    on it, with its software and hardware; and a line for each finished cell. A cell on
    which the machine failed may have several lines, of which the last counts.
    """

    path: Path
    """Path of the file."""
    done: dict[int, Done] = field(default_factory=dict)
    """Results of the finished cells, by index in the plan."""
    sessions: list[Session] = field(default_factory=list)
    """Sessions that worked on the plan; at least one if a cell is finished."""
    computed: list[Session] = field(default_factory=list)
    """Sessions that finished a cell."""
    processors: set[str] = field(default_factory=set)
    """Names of the processors that cells were played on."""
    seconds: float = 0.0
    """Time spent on the finished cells in all sessions [s]."""
    _failures: Counter[int] = field(default_factory=Counter)
    _free_room: Callable[[], None] | None = None

    @property
    def outcomes(self) -> dict[int, list[Outcome]]:
        """Outcomes of each finished cell's trials, by index in the plan."""
        return {index: done.outcomes for index, done in self.done.items()}

    def is_unfinished(self, index: int) -> bool:
        """Whether a cell remains to be played: it is unfinished, or the machine failed."""
        done = self.done.get(index)
        return done is None or (done.retry and self._failures[index] < ATTEMPTS)

    def begin(self, session: Session) -> None:
        """Records that a session works on the plan from now on."""
        self._add({"session": asdict(session)})
        self.sessions.append(session)

    @contextmanager
    def working(self, session: Session) -> Iterator[None]:
        """Records that a session works on the plan, and holds room on the disk meanwhile.

        The room is for the cell that is finished when something else has filled the disk.

        Raises:
            DiskFullError: If the disk has less room.
        """
        self.begin(session)
        with room(self.path.parent, _ROOM) as self._free_room:
            yield

    def append(self, index: int, done: Done, seconds: float) -> None:
        """Records a finished cell; it is on disk when this returns.

        Args:
            index: Index of the cell in the plan.
            done: Result of the cell.
            seconds: Time since the session began or last finished a cell [s].

        Raises:
            DiskFullError: If the disk is full; the cell is recorded if room was held.
        """
        note = Note(cost=done.cost, reason=done.reason, measured=done.measured)
        entry = {
            "chunk": index,
            "seconds": seconds,
            "processor": done.processor,
            **({} if note == Note() else {"note": plain(note)}),
            **({"retry": True} if done.retry else {}),
            "outcomes": [asdict(outcome) for outcome in done.outcomes],
        }
        try:
            self._add(entry)
        except DiskFullError:
            if self._free_room is not None:
                self._free_room()
                self._add(entry)
            raise
        self._enter(index, done, seconds)

    def read_line(self, line: str, sizes: Sequence[int], *, where: str) -> None:
        """Enters a line of the file.

        Args:
            line: Line of a session or of a finished cell.
            sizes: Number of outcomes of each cell of the plan.
            where: Name of the line in messages.

        Raises:
            InputError: If the line has another form, or does not fit the plan.
        """
        entry = parse_json(line, dict[str, Any], where=where)
        if "session" in entry:
            self.sessions.append(converted(entry, Began, where=where).session)
            return
        finished = converted(entry, Finished, where=where)
        check_fits(finished, sizes, where)
        if not self.sessions:
            raise InputError(f"{where} is damaged: a chunk before any session.")
        note = finished.note or Note()
        kept = note.cost, note.reason, note.measured, finished.retry
        done = Done(finished.outcomes, finished.processor, *kept)
        self._enter(finished.chunk, done, finished.seconds)

    def _enter(self, index: int, done: Done, seconds: float) -> None:
        self.done[index] = done
        self.seconds += seconds
        self._failures[index] += done.retry
        if done.processor:
            self.processors.add(done.processor)
        if self.sessions and self.sessions[-1] not in self.computed[-1:]:
            self.computed.append(self.sessions[-1])

    def _add(self, entry: Mapping[str, Any]) -> None:
        check_not_removed(self.path)
        append_line(self.path, json.dumps(entry))

    def provenance(self) -> dict[str, Any]:
        """Software, processor and time of the finished cells, for ``results.json``."""
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
    """Journal of a plan, new or continued.

    Args:
        path: Path of the file.
        plan: Everything that outcomes depend on, as JSON returns it: lists, no tuples.
        sizes: Number of outcomes of each chunk of the plan.
        origin: Further data from which the plan can be rebuilt, such as the path of an
            agent; the latest is recorded, and it is not compared.

    Raises:
        ValueError: If the file has another plan, naming the fields that differ, or a
            line is broken or does not fit the plan, naming the line.
    """
    recorded = _binding_head(path)
    if recorded is not None:
        # Other fields are compared first: if one differs, the hash of the trials may too.
        trials = recorded.plan.get("trials")
        refuse_other(path.parent, recorded.plan, {**plan, "trials": trials})
        refuse_other(path.parent, recorded.plan, plan)
    journal = Journal(path)
    _fill(journal, Head(plan=plan, origin=origin), sizes, recorded)
    return journal


def open_growing(
    path: Path,
    plan: Mapping[str, Any],
    *,
    growing: Sequence[str],
) -> tuple[Journal, dict[str, int]]:
    """Journal of a plan to which cells can be added, new or continued.

    Args:
        path: Path of the file.
        plan: Everything that outcomes depend on, as JSON returns it; ``chunks`` has the
            number of outcomes of each chunk, by name.
        growing: Fields of the plan that are objects to which names can be added; earlier
            names are kept.

    Returns:
        The journal, and the index of each chunk in it, by name.

    Raises:
        ValueError: As ``open_journal``; growing fields are compared only in the names that
            both plans have.
    """
    recorded = _binding_head(path)
    before = {} if recorded is None else recorded.plan
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
    if recorded is not None:
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
    _fill(journal, Head(plan={**plan, **whole}), list(chunks.values()), recorded)
    return journal, {name: index for index, name in enumerate(chunks)}


def _fill(
    journal: Journal, head: Head, sizes: Sequence[int], recorded: Head | None
) -> None:
    """Enters the lines of a journal's file, and rewrites the file with a new head.

    The file of a finished plan is left as it is.
    """
    path = journal.path
    lines = [json.dumps(asdict(head)), *read_lines(path)[1:]]
    with _reading(path):
        for number, line in enumerate(lines[1:], start=2):
            journal.read_line(line, sizes, where=f"{path}, line {number}")
    same = recorded is not None and recorded.plan == head.plan
    if not same or any(map(journal.is_unfinished, range(len(sizes)))):
        write_text(path, "".join(f"{line}\n" for line in lines))  # Ends a torn line.


def _binding_head(path: Path) -> Head | None:
    """First line of a journal with a finished chunk; None otherwise.

    A plan without a finished chunk may be replaced; see ``check_claim``.
    """
    head = read_head(path)
    sessions = (line.startswith('{"session"') for line in read_lines(path)[1:])
    return None if all(sessions) else head


def read_head(path: Path) -> Head | None:
    """First line of a journal; None if the file does not exist or is empty.

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
