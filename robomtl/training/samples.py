"""Demonstrations as tensors on the training device, and batches drawn from them."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from robomtl.conditioning import Conditioning, Wordings
from robomtl.errors import InputError
from robomtl.policy import Batch
from robomtl.training.approach import Approach, from_elsewhere
from robomtl.training.changing import Change
from robomtl.training.constructing import Constructor
from robomtl.training.sampling import Drawing, Even, Shares, by_loss, tempered

if TYPE_CHECKING:  # Workers load policies, and no data sets.
    from robomtl.demonstrations import Demonstrations


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Frames of some episodes, all resident on one device, sorted by task."""

    state: Tensor
    """(frame, state)."""
    action: Tensor
    """(frame, action)."""
    task: Tensor
    """Index of the task; (frame,)."""
    left: Tensor
    """Steps of the episode from this frame on, itself included; (frame,)."""
    group: Tensor
    """Episodes of a group are told the same and share their goal where it is hidden:
    index of the group, in order; (frame,)."""
    approach: Approach | None = None
    """How the hand comes to what it touches first, where actions are changed by that."""

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.task)


def frames(
    demonstrations: "Demonstrations", episodes: Sequence[int], device: torch.device
) -> Frames:
    """The frames of the named episodes, sorted by task, on a device."""
    table, group = demonstrations.episodes, demonstrations.groups
    order = sorted(episodes, key=lambda e: (table.task[e], group[e], e))
    chosen = np.array(order, dtype=np.int64)
    lengths = table.length[chosen]
    left = _count_down(lengths)
    rows = np.repeat(table.start[chosen] + lengths, lengths) - left
    task = np.repeat(table.task[chosen], lengths)
    return Frames(
        state=torch.from_numpy(demonstrations.state[rows]).to(device),
        action=torch.from_numpy(demonstrations.action[rows]).to(device),
        task=torch.from_numpy(task).to(device),
        left=torch.from_numpy(left).to(device),
        group=torch.from_numpy(np.repeat(group[chosen], lengths)).to(device),
    )


def mixed(seed: int, step: int) -> int:
    """A seed for one step of a run; 32 bits, as torch's CPU generator keeps no more."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _count_down(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """For lengths such as 2, 3: 2, 1, 3, 2, 1."""
    ends = np.repeat(lengths.cumsum(), lengths)
    return ends - np.arange(lengths.sum())


class Sampler:
    """Draws batches of frames; a step's batch depends on it and ``drawing`` alone.

    Args:
        source: Frames to draw from.
        wordings: What the policy is told of each task.
        conditioning: Adds the goal to it.
        chunk: Actions in a sample.
        temperature: Tasks are drawn with probability ∝ frames^(1/temperature).
        seed: Seed of the draws.
        constructor: Changes what is drawn.

    Raises:
        ValueError: If each problem is to have an action space of its own.
    """

    def __init__(
        self,
        source: Frames,
        wordings: Wordings,
        conditioning: Conditioning,
        *,
        chunk: int,
        temperature: float,
        seed: int,
        constructor: Constructor | None = None,
    ) -> None:
        if constructor is not None:
            _check_single(constructor)
        self._source, self._wordings = source, wordings
        self._conditioning, self._chunk, self._seed = conditioning, chunk, seed
        self._constructor = constructor
        self._tasks, counts = torch.unique_consecutive(source.task, return_counts=True)
        self._counts = counts
        self._starts = counts.cumsum(0) - counts
        self._shares = tempered(counts, temperature)
        self.drawing: Drawing = Shares(self._shares)
        self._generator = Generator(source.state.device)

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step, with about this many samples."""
        generator = self._generator.manual_seed(mixed(self._seed, step))
        draws = torch.rand(
            2,
            self.drawing.size(size),
            generator=generator,
            device=self._source.state.device,
        )
        which = self.drawing.places(draws[0])
        offset = (draws[1] * self._counts[which]).long()
        frame = self._starts[which] + offset.minimum(self._counts[which] - 1)
        task = self._tasks[which]
        fixed = self._wordings.sample(task, generator)
        change, made = None, self._constructor
        if made is not None:
            change = made.singly(task, generator)
        return gather(
            self._source, frame, fixed, self._conditioning, self._chunk, change
        )

    def evenly(self) -> "Sampler":
        """The same with as many samples of every task, sorted by task."""
        even = copy(self)
        even.drawing = Even(len(self._tasks))
        return even

    def emphasise(self, losses: Tensor) -> None:
        """Draws tasks in proportion to their validation loss as well, from here on.

        Args:
            losses: Of all tasks; (task,).
        """
        there = losses.to(self._tasks.device)[self._tasks]
        self.drawing = Shares(by_loss(self._shares, there))


def _check_single(constructor: Constructor) -> None:
    if constructor.construction.action_space != "own":
        raise InputError(
            f"action_space={constructor.construction.action_space!r} gives each problem"
            " actions of its own, which a single frame cannot tell; train with an"
            " objective that draws problems, such as context, or leave it 'own'."
        )


def gather(
    source: Frames,
    frame: Tensor,
    fixed: Tensor,
    conditioning: Conditioning,
    chunk: int,
    change: Change | None = None,
) -> Batch:
    """The samples that start at the given frames.

    Args:
        source: Frames to read.
        frame: Row of each sample's first step; (batch,).
        fixed: Fixed part of each sample's task embedding; (batch, fixed).
        conditioning: Adds the goal to it.
        chunk: Actions in a sample.
        change: What makes other samples of them.
    """
    ahead = torch.arange(chunk, device=frame.device)
    mask = ahead < source.left[frame][:, None]
    rows = frame[:, None] + ahead * mask  # Past the end: the first action, masked.
    if change is not None and source.approach is not None:
        state, action = from_elsewhere(source, rows, change.start)
    else:
        state, action = source.state.index_select(0, frame), source.action[rows]
    if change is not None:
        later = source.state[change.later(frame, source.left[frame])]
        state, action = change.state(state, later), change.action(action)
    return Batch(
        observation={"state": state},
        action=action,
        mask=mask.float(),
        task_embedding=conditioning.embedding(fixed, state),
        task=source.task[frame],
    )


def every_frame(
    source: Frames,
    wordings: Wordings,
    conditioning: Conditioning,
    *,
    chunk: int,
    size: int,
) -> Iterator[Batch]:
    """All frames in order under the canonical wordings, for validation."""
    rows = torch.arange(len(source), device=source.task.device)
    if not len(rows):
        return
    for frame in torch.split(rows, size):
        fixed = wordings.canonical(source.task[frame])
        yield gather(source, frame, fixed, conditioning, chunk)
