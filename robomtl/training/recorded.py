"""From demonstrations to the frames that training draws from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.layout import ACTION, OBSERVATION
from robomtl.demonstrations.records import Records, blocks, fits, in_memory
from robomtl.training.frames import Frames, Resident, Spans


def _features(columns: Iterable[str]) -> dict[str, str]:
    """Names of observation features by the columns that hold them."""
    return {name: name.removeprefix(OBSERVATION) for name in columns if name != ACTION}


def _resident(columns: Mapping[str, NDArray[Any]], device: torch.device) -> Resident:
    tensors = {
        name: torch.from_numpy(each).to(device) for name, each in columns.items()
    }
    observation = {
        feature: tensors[name] for name, feature in _features(columns).items()
    }
    return Resident(observation=observation, action=tensors[ACTION])


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Rows of frames that lie in a file; see ``Table``."""

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
        observation = {
            feature: torch.from_numpy(runs[:, 0, self.records.part(name)])
            .reshape(*rows.shape[:-1], -1)
            .to(self.device)
            for name, feature in _features(self.records).items()
        }
        return observation, action.view(*rows.shape, -1).to(self.device)

    def blocks(self, spans: Spans) -> Iterator[Mapping[str, Tensor]]:
        """See ``Table``."""
        start, length = spans.start.numpy(), spans.length.numpy()
        for block in blocks(self.records, start, length):
            yield {
                feature: torch.from_numpy(block[name])
                for name, feature in _features(block).items()
            }

    def resident(self, spans: Spans) -> Resident:
        """See ``Table``."""
        columns = in_memory(self.records, spans.start.numpy(), spans.length.numpy())
        return _resident(columns, self.device)


def frames(
    demonstrations: Demonstrations, episodes: Sequence[int], device: torch.device
) -> Frames:
    """The frames of some episodes, sorted by task.

    They lie on the device, or in a file if they are many.

    Args:
        demonstrations: Have the episodes.
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
