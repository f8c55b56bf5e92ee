"""Progress of the collection of one task, and the units to record next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from robomtl.demonstrations.blocks import SOLVED, UNSTABLE, Unit
from robomtl.demonstrations.collection_request import Request
from robomtl.errors import EpisodesError, GaveUpError, InputError
from robomtl.task import Suite, find_task

_BLOCK = 5  # Variations per unit: seconds of work, the most that an interruption loses.
_PATIENCE = 10  # Episodes that may fail, in addition to one for each requested.


class Tally(NamedTuple):
    """Numbers of episodes of a task by outcome, up to the last one kept."""

    tried: int
    solved: int
    failed: int
    """Number of episodes that were never successful."""
    unstable: int
    """Number of episodes that an error aborted, in a second env too."""


@dataclass(kw_only=True)
class TaskCollection:
    """The episodes of a task, in the order of its variations.

    Units are planned in rounds: the first is just large enough if every episode succeeds,
    and later ones replace episodes that did not. Plans depend on the outcomes alone, so the
    units of a request are always the same, in whichever order they finish and however often
    the collection is resumed.
    """

    request: Request
    task: str
    instruction: str
    """Instruction of the task, which no other task of the data set has."""
    variations: Sequence[int]
    """Variations that may be recorded, in order."""
    finished: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Outcomes of each finished unit, by its start."""
    error: str = ""
    """Error of the latest aborted episode; empty if none was aborted."""

    def planned(self) -> list[Unit]:
        """The unfinished units of the current round; none once enough episodes count.

        Raises:
            InputError: If all variations have been tried.
        """
        outcomes: list[int] = []
        while units := self._round(outcomes):
            unfinished = [unit for unit in units if unit.start not in self.finished]
            if unfinished:
                return unfinished
            for unit in units:
                outcomes += self.finished[unit.start]
        return []

    def _round(self, outcomes: list[int]) -> list[Unit]:
        start, solved = len(outcomes), self._counted(outcomes)
        missing = self.request.episodes - solved
        if missing <= 0:
            return []
        if start == len(self.variations):
            if self.request.policy:  # What remains of its attempts is kept.
                return []
            raise InputError(
                f"The expert of '{self.task}' solved {solved} of all {start} variations "
                f"in the split '{self.request.split}' of {self.request.suite}; request "
                f"at most {solved} episodes."
            )
        if outcomes:  # A few more at once, since some may fail again.
            missing = max(missing, min(_BLOCK, self.request.episodes))
        end = min(start + missing, len(self.variations))
        return [self._unit(first, end) for first in range(start, end, _BLOCK)]

    def _unit(self, first: int, end: int) -> Unit:
        chosen = self.variations[first : min(first + _BLOCK, end)]
        return Unit(self.task, first, tuple(int(variation) for variation in chosen))

    def _counted(self, outcomes: Sequence[int]) -> int:
        """Number of episodes that count: solved ones, or attempts of a policy.

        An episode that an error aborted is neither.
        """
        if self.request.policy:
            return len(outcomes) - outcomes.count(UNSTABLE)
        return outcomes.count(SOLVED)

    def finish(self, start: int, outcomes: Sequence[int], error: str = "") -> None:
        """Records the outcomes of a unit.

        Args:
            start: Index of the unit's first variation.
            outcomes: Outcomes of its episodes.
            error: Error of its last aborted episode; empty if none was aborted.

        Raises:
            InputError: If more episodes have failed than are allowed.
            EpisodesError: If most of these were aborted by errors.
            GaveUpError: If a policy acts, and these were aborted by errors.
        """
        self.finished[start] = tuple(outcomes)
        self.error = error or self.error
        tried = sum(len(unit) for unit in self.finished.values())
        failed = tried - sum(map(self._counted, self.finished.values()))
        if failed > self.request.episodes + _PATIENCE:
            broken = sum(unit.count(UNSTABLE) for unit in self.finished.values())
            if 2 * broken > failed:
                kind = GaveUpError if self.request.policy else EpisodesError
                raise kind(
                    f"{broken} of {tried} episodes of '{self.task}' were aborted by errors;"
                    f" the last: {self.error}. Finished episodes are kept."
                )
            raise InputError(
                f"The expert of '{self.task}' fails too often: in {failed} of {tried} "
                f"episodes (noise {self.request.noise:g}). Leave the task out, or request "
                "less noise."
            )

    @property
    def done(self) -> int:
        """Number of episodes that count so far, at most those requested."""
        solved = sum(map(self._counted, self.finished.values()))
        return min(solved, self.request.episodes)

    @property
    def starts(self) -> list[int]:
        """Sorted indices of the first variations of the finished units."""
        return sorted(self.finished)

    def tally(self) -> Tally:
        """Numbers of episodes by outcome, up to the last one kept."""
        outcomes = [o for start in self.starts for o in self.finished[start]]
        counted = np.cumsum([self._counted([outcome]) for outcome in outcomes])
        last = int(np.searchsorted(counted, self.request.episodes))
        tried = min(last + 1, len(outcomes))
        solved, unstable = (outcomes[:tried].count(it) for it in (SOLVED, UNSTABLE))
        return Tally(tried, solved, tried - solved - unstable, unstable)


def task_collections_for(suite: Suite, request: Request) -> dict[str, TaskCollection]:
    """The collection of each task of a request, by name.

    Raises:
        InputError: If a task or the split is unknown or has too few variations, or if
            two tasks share an instruction.
    """
    task_collections: dict[str, TaskCollection] = {}
    tasks_by_instruction: dict[str, str] = {}
    for name in request.tasks:
        instruction = find_task(suite, name).instruction
        if instruction in tasks_by_instruction:
            raise InputError(
                f"Tasks '{tasks_by_instruction[instruction]}' and '{name}' have the same"
                f" instruction, '{instruction}', but the tasks of a data set must have"
                " different ones; collect them into different folders."
            )
        tasks_by_instruction[instruction] = name
        variations = suite.variations(name, request.split)
        if len(variations) < request.first + request.episodes:
            most = max(len(variations) - request.first, 0)
            beyond = f" from the variation {request.first} on" * bool(request.first)
            raise InputError(
                f"'{name}' has {len(variations)} variations in the split"
                f" '{request.split}' of {suite.name}; request at most {most}"
                f" episodes{beyond}."
            )
        task_collections[name] = TaskCollection(
            request=request,
            task=name,
            instruction=instruction,
            variations=variations[request.first :],
        )
    return task_collections
