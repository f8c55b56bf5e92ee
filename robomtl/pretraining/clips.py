"""Batches of clips: each consists of some frames of an episode, in order of time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from robomtl.errors import InputError
from robomtl.policy import Batch
from robomtl.training.frames import Spans
from robomtl.training.objective import Material
from robomtl.training.samples import gather, mixed

_VALIDATION, _FRAMES = 4, 256  # Batches, and frames in each.

Times = Callable[[Tensor, Generator], Tensor]
"""Draws the steps of each clip, (clip, time), for episodes of given lengths, (clip,)."""


class Clips(NamedTuple):
    """Frames of episodes, sorted by clip and, within a clip, by time."""

    batch: Batch
    """Frames; (clip · time, …)."""
    times: int
    """Frames in a clip."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each clip; (clip,)."""
        return self.batch.task[:: self.times]


class ClipSampler:
    """Draws clips of episodes, with tasks equally likely.

    A step's batch depends on the step alone.

    Args:
        material: Data from which clips are drawn.
        times: Draws the steps of the clips.
        count: Frames in a clip.
        min_length: Number of frames that an episode must have for clips to be drawn from it.
        seed: Seed of the draws.

    Raises:
        InputError: If no episode is long enough.
    """

    def __init__(
        self,
        material: Material,
        times: Times,
        *,
        count: int,
        min_length: int,
        seed: int,
    ) -> None:
        self._material, self._times, self._count = material, times, count
        self._seed = seed
        # Single numbers are drawn on the CPU: on a GPU, each draw waits for the last one.
        spans = Spans(*(part.cpu() for part in material.frames.episodes))
        longest = int(spans.length.max()) if len(spans.length) else min_length
        if longest < min_length:
            raise InputError(
                f"This pre-training draws clips of {min_length} frames or more, and the longest"
                f" episode has {longest}; give smaller settings of the objective, or longer"
                " episodes."
            )
        self._spans = Spans(*(part[spans.length >= min_length] for part in spans))
        _, self._counts = torch.unique_consecutive(self._spans.task, return_counts=True)
        self._firsts = self._counts.cumsum(0) - self._counts

    def batch(self, step: int, size: int) -> Clips:
        """The clips of a step, at least two, with about ``size`` frames in all."""
        generator = Generator().manual_seed(mixed(self._seed, step))
        draws = torch.rand(2, max(size // self._count, 2), generator=generator)
        which = (draws[0] * len(self._counts)).long()
        episode = self._firsts[which] + (draws[1] * self._counts[which]).long()
        times = self._times(self._spans.length[episode], generator)
        rows = (self._spans.start[episode][:, None] + times).flatten()
        material, frames = self._material, self._material.frames
        rows = rows.to(frames.episodes.start.device)
        task = self._spans.task[episode].repeat_interleave(self._count)
        fixed = material.wordings.sample(task.to(frames.device), generator)
        batch = gather(frames, rows, fixed, material.conditioning, material.chunk)
        return Clips(batch, self._count)


def held_out_clips(
    material: Material, times: Times, *, count: int, min_length: int
) -> Iterator[Clips]:
    """A few batches of clips of held-out episodes, the same at every call.

    There are none if no held-out episode has ``min_length`` frames.
    """
    if (
        not len(material.frames)
        or int(material.frames.episodes.length.max()) < min_length
    ):
        return
    sampler = ClipSampler(material, times, count=count, min_length=min_length, seed=0)
    for step in range(_VALIDATION):
        yield sampler.batch(step, _FRAMES)


def ordered(count: int) -> Times:
    """Times that draw ``count`` different steps of an episode, in order."""

    def times(length: Tensor, generator: Generator) -> Tensor:
        # Sorted draws from a range shorter by count - 1, each moved on by its index.
        draws = torch.rand(len(length), count, generator=generator).sort(dim=1).values
        free = (length - count + 1)[:, None]
        return (draws * free).long().clamp(max=free - 1) + torch.arange(count)

    return times


def evenly(count: int) -> Times:
    """Times that take ``count`` steps, evenly from the first of an episode to the last."""

    def times(length: Tensor, generator: Generator) -> Tensor:
        return (torch.linspace(0, 1, count) * (length - 1)[:, None]).round().long()

    return times


def spaced(count: int, stride: int) -> Times:
    """Times that draw a window of ``count`` steps that are ``stride`` steps apart."""

    def times(length: Tensor, generator: Generator) -> Tensor:
        free = length - (count - 1) * stride
        first = (torch.rand(len(length), generator=generator) * free).long()
        return first[:, None] + stride * torch.arange(count)

    return times


def nearby(max_offset: int) -> Times:
    """Times that draw a step, and another one 0 to ``max_offset`` steps after it."""

    def times(length: Tensor, generator: Generator) -> Tensor:
        draws = torch.rand(2, len(length), generator=generator)
        first = (draws[0] * length).long().minimum(length - 1)
        ahead = (draws[1] * (1 + max_offset)).long().minimum(length - 1 - first)
        return torch.stack([first, first + ahead], dim=1)

    return times
