"""Frames of episodes, on the training device or read from elsewhere, such as a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

SAME = 0.01
"""A path stays as it is within this distance of its end [m]."""


class Spans(NamedTuple):
    """Spans of episodes among rows of frames, sorted by task, data set and group."""

    start: Tensor
    """First row; (episode,)."""
    length: Tensor
    """Number of frames; (episode,)."""
    task: Tensor
    """Index of the task; (episode,)."""
    source: Tensor
    """Index of the data set; (episode,)."""
    group: Tensor
    """Index of the group; the episodes of a group share their task, and their goal if it
    is hidden. (episode,)"""

    def together(self) -> "Spans":
        """The same episodes with consecutive rows, from 0 on."""
        return self._replace(start=self.length.cumsum(0) - self.length)


class Table(Protocol):
    """Rows of frames, in memory, in a file, or in several tables."""

    def read(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Observations of the first steps of samples, and the actions of all steps.

        Args:
            rows: Rows of the steps; each follows the one before or repeats the first;
                (…, step).

        Returns:
            Features by name, (…, size), and actions, (…, step, action).
        """
        ...

    def blocks(self, spans: Spans) -> Iterator[Mapping[str, Tensor]]:
        """Observations of all frames of episodes, in one or more blocks."""
        ...

    def resident(self, spans: Spans) -> "Resident":
        """The frames of episodes, one after the other, on the training device."""
        ...


@dataclass(frozen=True, kw_only=True)
class Resident:
    """Rows of frames in the memory of the training device."""

    observation: Mapping[str, Tensor]
    """Features by name; (row, …)."""
    action: Tensor
    """Actions; (row, action)."""

    def read(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """See ``Table``."""
        rows = rows.to(self.action.device)
        first = rows[..., 0]
        observation = {
            name: each.index_select(0, first.flatten()).view(
                *first.shape, *each.shape[1:]
            )
            for name, each in self.observation.items()
        }
        return observation, self.action[rows]

    def blocks(self, spans: Spans) -> Iterator[Mapping[str, Tensor]]:
        """See ``Table``; a single block."""
        yield self.observation

    def resident(self, spans: Spans) -> "Resident":
        """See ``Table``."""
        return self


@dataclass(frozen=True, kw_only=True)
class Approach:
    """Path of the hand in x and y to the object that it touches first, for some frames."""

    end: Tensor
    """Position where the path ends; (frame, 2)."""
    length: Tensor
    """Distance of the path's start from its end [m]; (frame,)."""
    before: Tensor
    """Whether a frame is on the path, before the touch; (frame,)."""
    gain: Tensor
    """Displacement action per metre between the hand and its target [1/m]; (frame,)."""
    unclipped: Tensor
    """Actions before clipping. On the path, a clipped action is restored on the assumption
    that its target is the end of the path; (frame, action)."""
    positions: tuple[int, ...]
    """Indices of the hand's x in a state, the current one first; y follows."""
    displacement: int
    """Index of the displacement's x in an action."""

    def part(self, position: Tensor, frame: Tensor) -> Tensor:
        """Fraction of the start's displacement that applies at positions, in [0, 1].

        Args:
            position: x and y of the hand; (sample, 2).
            frame: Frame of each position; (sample,).

        Returns:
            Shape (sample,).
        """
        left = (position - self.end[frame]).norm(dim=-1) - SAME
        whole = (self.length[frame] - SAME).clamp(min=SAME)
        part: Tensor = (left / whole).clamp(0, 1) * self.before[frame]
        return part

    def state(self, state: Tensor, frame: Tensor, start: Tensor) -> Tensor:
        """States on the path from another start; (sample, state).

        Args:
            state: Recorded states; (sample, state).
            frame: Frame of each; (sample,).
            start: Displacement of the start [m]; (sample, 2).
        """
        state = state.clone()
        for x in self.positions:
            position = state[:, x : x + 2]
            position += self.part(position, frame)[:, None] * start
        return state


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Frames of some episodes."""

    table: Table
    """Table of the frames; a ``Resident`` table has them in the order of the episodes."""
    episodes: Spans
    """Spans of the episodes, on the device where rows are drawn."""
    device: torch.device
    """Device of the samples."""
    approach: Approach | None = None
    """Path of the hand to the object that it touches first, if an augmentation needs it."""
    history: int = 1
    """Observations in a sample: that of its step and those before it. The first one of an
    episode is repeated where there are fewer."""

    def __len__(self) -> int:
        """Number of frames."""
        return int(self.episodes.length.sum())

    def episode(self, rows: Tensor) -> Tensor:
        """Index of the episode of each row; (…) -> (…)."""
        start, order = self._sorted
        return order[torch.searchsorted(start, rows, right=True) - 1]

    def rows(self, positions: Tensor) -> Tensor:
        """Rows of frames by their position in the order of the episodes; (…) -> (…)."""
        episode = torch.searchsorted(self._ends, positions, right=True)
        start, length = self.episodes.start[episode], self.episodes.length[episode]
        return positions - (self._ends[episode] - length) + start

    @cached_property
    def _sorted(self) -> tuple[Tensor, Tensor]:
        start, order = self.episodes.start.sort()
        return start, order

    @cached_property
    def _ends(self) -> Tensor:
        return self.episodes.length.cumsum(0)

    def blocks(self) -> Iterator[Mapping[str, Tensor]]:
        """Observations of all frames; a single block if they are resident."""
        return self.table.blocks(self.episodes)

    def resident(self) -> "Frames":
        """The same frames on the training device, one episode after the other."""
        episodes = Spans(*(part.to(self.device) for part in self.episodes)).together()
        table = self.table.resident(self.episodes)
        return replace(self, table=table, episodes=episodes)

    @property
    def state(self) -> Tensor:
        """States of resident frames; (frame, state)."""
        return self._resident.observation["state"]

    @property
    def action(self) -> Tensor:
        """Actions of resident frames; (frame, action)."""
        return self._resident.action

    @property
    def _resident(self) -> Resident:
        assert isinstance(self.table, Resident), "see Frames.resident"
        return self.table

    @cached_property
    def task(self) -> Tensor:
        """Index of the task of each frame, in the order of the episodes; (frame,)."""
        return self.episodes.task.repeat_interleave(self.episodes.length)

    @cached_property
    def steps_left(self) -> Tensor:
        """Steps left in the episode at each frame, its own included; (frame,)."""
        ends = self._ends.repeat_interleave(self.episodes.length)
        return ends - torch.arange(len(ends), device=ends.device)
