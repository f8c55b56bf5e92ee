"""Frames of recorded demonstrations, in memory or in a file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.frame_file import Records, fits, in_memory, parts_of
from robomtl.demonstrations.layout import ACTION, observed
from robomtl.training.frames import Frames, Resident, Spans


def _resident(columns: Mapping[str, NDArray[Any]], device: torch.device) -> Resident:
    tensors = {
        name: torch.from_numpy(each).to(device) for name, each in columns.items()
    }
    observation = {
        feature: tensors[name] for name, feature in observed(columns).items()
    }
    return Resident(observation=observation, action=tensors[ACTION])


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Rows of frames in a file; see ``Table``."""

    records: Records
    """The file."""
    device: torch.device
    """Training device."""

    def read(self, rows: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """See ``Table``."""
        steps = rows.cpu().reshape(-1, rows.shape[-1])
        runs = self.records.read(steps[:, 0].numpy(), steps.shape[1])
        ahead = (steps - steps[:, :1])[..., None]
        action = torch.from_numpy(runs[..., self.records.part(ACTION)])
        action = torch.take_along_dim(action, ahead, 1)
        shape, records = rows.shape[:-1], self.records
        values: dict[str, NDArray[Any]] = {
            name: runs[:, 0, records.part(name)] for name in records.sizes
        }
        first, one = steps[:, 0].numpy(), np.ones(len(steps), np.int64)
        for name in records.images:
            values[name] = records.pictures(name, first, one)
        observation = {
            feature: torch.from_numpy(values[name])
            .reshape(*shape, *values[name].shape[1:])
            .to(self.device)
            for name, feature in observed(values).items()
        }
        return observation, action.view(*rows.shape, -1).to(self.device)

    def blocks(self, spans: Spans) -> Iterator[Mapping[str, Tensor]]:
        """See ``Table``."""
        start, length = spans.start.numpy(), spans.length.numpy()
        self.records.ready(start, length)
        for part in parts_of(length, self.records.size):
            values = self.records.runs(start[part], length[part])
            yield {
                feature: torch.from_numpy(values[:, self.records.part(name)])
                for name, feature in observed(self.records.sizes).items()
            }

    def resident(self, spans: Spans) -> Resident:
        """See ``Table``."""
        columns = in_memory(self.records, spans.start.numpy(), spans.length.numpy())
        return _resident(columns, self.device)


def frames(
    demonstrations: Demonstrations, episodes: Sequence[int], device: torch.device
) -> Frames:
    """The frames of some episodes, sorted by task.

    They are on the device, or in a file if they do not fit into memory.

    Args:
        demonstrations: The data set.
        episodes: Indices of the episodes.
        device: Training device.
    """
    listed, group = demonstrations.episodes, demonstrations.groups
    chosen = np.array(sorted(episodes), np.int64)
    chosen = chosen[np.lexsort((group[chosen], listed.task[chosen]))]
    columns, length = demonstrations.columns, listed.length[chosen]
    start, task = demonstrations.first[chosen], listed.task[chosen]
    parts = start, length, task, np.zeros_like(task), group[chosen]
    spans = Spans(*map(torch.from_numpy, parts))
    if isinstance(columns, Records) and not fits(columns, length):
        stored = Stored(records=columns, device=device)
        return Frames(table=stored, episodes=spans, device=device)
    return Frames(
        table=_resident(in_memory(columns, start, length), device),
        episodes=Spans(*(part.to(device) for part in spans)).together(),
        device=device,
    )
