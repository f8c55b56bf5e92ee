"""Frames of episodes, on the training device or wherever else they are read from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

SAME = 0.01
"""A path stays as it is within this distance of its end [m]."""


class Spans(NamedTuple):
    """Where episodes lie among rows of frames, sorted by task, data set and group."""

    start: Tensor
    """First row; (episode,)."""
    length: Tensor
    """Number of frames; (episode,)."""
    task: Tensor
    """Index of the task; (episode,)."""
    source: Tensor
    """Index of the data set; (episode,)."""
    group: Tensor
    """Index of the group; the episodes of a group share their task, and their goal where
    it is hidden. (episode,)"""

    def together(self) -> "Spans":
        """The same episodes with rows one after the other, from 0 on."""
        return self._replace(start=self.length.cumsum(0) - self.length)


class Table(Protocol):
    """Rows of frames, wherever they lie."""

    def read(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Observations of the first steps of samples, and the actions of all steps.

        Args:
            rows: Rows of the steps, which follow each other or repeat the first;
                (…, step).

        Returns:
            Features by name, (…, size), and actions, (…, step, action).
        """
        ...

    def blocks(self, spans: Spans) -> Iterator[Mapping[str, Tensor]]:
        """Observations of all frames of episodes, one or more blocks of them."""
        ...

    def resident(self, spans: Spans) -> "Resident":
        """The frames of episodes, one after the other, on the training device."""
        ...


@dataclass(frozen=True, kw_only=True)
class Resident:
    """Rows of frames that lie on the training device."""

    observation: Mapping[str, Tensor]
    """Features by name; (row, …)."""
    action: Tensor
    """(row, action)."""

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
    """The path of the hand to what it touches first, of each of some frames; x and y."""

    end: Tensor
    """Position where the path ends; (frame, 2)."""
    length: Tensor
    """Distance of its start from its end [m]; (frame,)."""
    before: Tensor
    """Whether a frame lies on it, before the touch; (frame,)."""
    gain: Tensor
    """The demonstrator's command per metre that the hand is off [1/m]; (frame,)."""
    unclipped: Tensor
    """Actions before they were clipped, as far as that is known: what is commanded on the
    path is taken to lead to its end; (frame, action)."""
    positions: tuple[int, ...]
    """Where states hold the hand's x, the present one first; y follows."""
    displacement: int
    """Index of the displacement's x in an action."""

    def part(self, place: Tensor, frame: Tensor) -> Tensor:
        """Fraction of a displaced start that positions keep; (sample,) in [0, 1].

        Args:
            place: x and y; (sample, 2).
            frame: Frame of each; (sample,).
        """
        left = (place - self.end[frame]).norm(dim=-1) - SAME
        whole = (self.length[frame] - SAME).clamp(min=SAME)
        part: Tensor = (left / whole).clamp(0, 1) * self.before[frame]
        return part

    def state(self, state: Tensor, frame: Tensor, start: Tensor) -> Tensor:
        """States on the path from another start; (sample, state).

        Args:
            state: (sample, state).
            frame: Frame of each; (sample,).
            start: Displacement of the start [m]; (sample, 2).
        """
        state = state.clone()
        for x in self.positions:
            place = state[:, x : x + 2]
            place += self.part(place, frame)[:, None] * start
        return state


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Frames of some episodes."""

    table: Table
    """Where they lie; rows of a ``Resident`` table are in the order of the episodes."""
    episodes: Spans
    """The episodes, on the device where rows are drawn."""
    device: torch.device
    """Device of the samples."""
    approach: Approach | None = None
    """How the hand comes to what it touches first, where actions are changed by that."""
    history: int = 1
    """Observations in a sample: that of its step and those before it. Before the first of
    an episode, that is repeated."""

    def __len__(self) -> int:
        """Number of frames."""
        return int(self.episodes.length.sum())

    def episode(self, rows: Tensor) -> Tensor:
        """Index of the episode of each row; (…) -> (…)."""
        start, order = self._sorted
        return order[torch.searchsorted(start, rows, right=True) - 1]

    def rows(self, places: Tensor) -> Tensor:
        """Rows of frames by their place in the order of the episodes; (…) -> (…)."""
        episode = torch.searchsorted(self._ends, places, right=True)
        start, length = self.episodes.start[episode], self.episodes.length[episode]
        return places - (self._ends[episode] - length) + start

    @cached_property
    def _sorted(self) -> tuple[Tensor, Tensor]:
        start, order = self.episodes.start.sort()
        return start, order

    @cached_property
    def _ends(self) -> Tensor:
        return self.episodes.length.cumsum(0)

    def blocks(self) -> Iterator[Mapping[str, Tensor]]:
        """Observations of all frames; a single block where they are resident."""
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
    def left(self) -> Tensor:
        """Steps of the episode from each frame on, itself included; (frame,)."""
        ends = self._ends.repeat_interleave(self.episodes.length)
        return ends - torch.arange(len(ends), device=ends.device)
