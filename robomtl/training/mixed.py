"""Frames of several data sets, whose robots may differ, in one table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from robomtl.alignment import Alignment
from robomtl.demonstrations.frame_file import rows_of
from robomtl.demonstrations.mixture import Data
from robomtl.features import Embodiment
from robomtl.policy import EMBODIMENT
from robomtl.training.data_robots import distinct_robots, robots_of
from robomtl.training.frames import Frames, Resident, Spans, Table
from robomtl.training.recorded import frames

_BLOCK = 65_536  # Frames in a block when all frames are read.


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Rows of several tables, whose robots may differ; see ``Table``."""

    tables: tuple[Table, ...]
    """Table of each data set."""
    robot: tuple[int, ...]
    """Index of the robot of each table."""
    first: tuple[int, ...]
    """First row of each table among all rows."""
    shapes: Mapping[str, tuple[int, ...]]
    """Shape of each feature; of the robot with the longest vector if they differ."""
    action: int
    """Length of an action; of the robot with the longest one if they differ."""
    several: bool
    """Whether robots differ."""
    alignment: Alignment | None
    """Action space shared by the robots; None if each has its own."""
    device: torch.device
    """Training device."""

    def read(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """See ``Table``; shorter features and actions are padded with zeros."""
        steps = rows.reshape(-1, rows.shape[-1])
        source = torch.bucketize(
            steps[:, 0].contiguous(), torch.tensor(self.first), right=True
        )
        count, device = len(steps), self.device
        observation = {n: _zeros(count, s, device) for n, s in self.shapes.items()}
        action = torch.zeros(*steps.shape, self.action, device=device)
        for number, table in enumerate(self.tables):
            samples = (source == number + 1).nonzero()[:, 0]
            if not len(samples):
                continue
            observed, acted = table.read(steps[samples] - self.first[number])
            samples = samples.to(device)
            for name, values in observed.items():
                observation[name][samples, ..., : values.shape[-1]] = values
            acted = self._shared(acted, number)
            action[samples, :, : acted.shape[-1]] = acted
        if self.several:
            robot = torch.tensor(self.robot)[source - 1]
            observation[EMBODIMENT] = robot.to(device)
        shape = rows.shape[:-1]
        observed = {
            n: each.view(*shape, *each.shape[1:]) for n, each in observation.items()
        }
        return observed, action.view(*rows.shape, -1)

    def _shared(self, action: Tensor, number: int) -> Tensor:
        """Actions of a table in the action space that is trained."""
        if self.alignment is None:
            return action
        made = self.alignment.to_shared(action.cpu().numpy(), self.robot[number])
        return torch.from_numpy(made).to(action.device)

    def blocks(self, spans: Spans) -> Iterator[Mapping[str, Tensor]]:
        """See ``Table``."""
        for part in torch.split(_rows(spans), _BLOCK):
            yield self.read(part[:, None])[0]

    def resident(self, spans: Spans) -> Resident:
        """See ``Table``."""
        observation, action = self.read(_rows(spans)[:, None])
        return Resident(observation=observation, action=action[:, 0])


def _zeros(count: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
    kind = torch.uint8 if len(shape) == 3 else torch.float32
    return torch.zeros(count, *shape, dtype=kind, device=device)


def _shapes(robots: Sequence[Embodiment]) -> dict[str, tuple[int, ...]]:
    """The shape of each feature; the largest one if robots differ."""
    shapes: dict[str, tuple[int, ...]] = {}
    for robot in robots:
        for name, feature in robot.observation.items():
            shapes[name] = max(shapes.get(name, ()), feature.shape)
    return dict(sorted(shapes.items()))


def _rows(spans: Spans) -> Tensor:
    """Rows of all frames of episodes; (frame,)."""
    return torch.from_numpy(rows_of(spans.start.numpy(), spans.length.numpy()))


def mixed_frames(
    data: Data,
    episodes: Sequence[Sequence[int]],
    device: torch.device,
    *,
    alignment: Alignment | None = None,
) -> Frames:
    """The frames of some episodes of several data sets, sorted by task.

    Args:
        data: The data sets.
        episodes: Indices of the episodes of each data set.
        device: Training device.
        alignment: Action space shared by the robots; None if each has its own.
    """
    pairs = zip(data.sets, episodes, strict=True)
    parts = [frames(each, chosen, device) for each, chosen in pairs]
    if len(parts) == 1:
        return parts[0]
    robots, distinct = robots_of(data), distinct_robots(data)
    table = Joined(
        tables=tuple(part.table for part in parts),
        robot=tuple(distinct.index(robot) for robot in robots),
        first=_first_rows(part.episodes for part in parts),
        shapes=_shapes(distinct),
        action=len(alignment.slots)
        if alignment is not None
        else max(each.action.size for each in distinct),
        several=len(distinct) > 1,
        alignment=alignment,
        device=device,
    )
    shifted = _shifted(data, parts, table.first)
    spans = Spans(*map(torch.cat, zip(*shifted, strict=True)))
    order = np.lexsort((spans.group.numpy(), spans.source.numpy(), spans.task.numpy()))
    return Frames(
        table=table,
        episodes=Spans(*(part[torch.from_numpy(order)] for part in spans)),
        device=device,
    )


def _first_rows(spans: Iterable[Spans]) -> tuple[int, ...]:
    """First row of each of several tables among the rows of all."""
    ends = [
        int((each.start + each.length).max()) if len(each.start) else 0
        for each in spans
    ]
    return tuple(accumulate(ends[:-1], initial=0))


def _shifted(
    data: Data, parts: Sequence[Frames], first: Sequence[int]
) -> Iterator[Spans]:
    """Spans of each data set, with the rows, tasks and groups of all; on the CPU."""
    groups = 0
    for source, (part, row) in enumerate(zip(parts, first, strict=True)):
        spans = Spans(*(each.cpu() for each in part.episodes))
        yield Spans(
            start=spans.start + row,
            length=spans.length,
            task=torch.from_numpy(data.task_indices(source))[spans.task],
            source=torch.full_like(spans.task, source),
            group=spans.group + groups,
        )
        groups += int(spans.group.max()) + 1 if len(spans.group) else 0
