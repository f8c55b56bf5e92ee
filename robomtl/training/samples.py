"""Batches of frames, drawn step by step."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from robomtl.conditioning import Conditioning, InstructionEmbeddings
from robomtl.errors import InputError
from robomtl.features import STATE
from robomtl.policy import EMBODIMENT, Batch
from robomtl.training.approach import from_elsewhere
from robomtl.training.augmenting import Augmenter
from robomtl.training.divided import Divided, slices_of_parts
from robomtl.training.frames import Frames
from robomtl.training.hindsight import drawn_goals, goal_images, without_instructions
from robomtl.training.image_augmentation import ImageAugmentation, augmented
from robomtl.training.sampling import Drawing, Even, Weighted, by_loss, group_weights
from robomtl.training.transforms import Transform


def mixed(seed: int, step: int) -> int:
    """Seed for one step of a run, of 32 bits, as torch's CPU generator uses no more."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


class _Drawn(NamedTuple):
    """The draws of a batch, before its frames are read."""

    frame: Tensor
    """Row of each sample's first step; (sample,)."""
    task: Tensor
    """Index of each sample's task; (sample,)."""
    fixed: Tensor
    """Fixed part of each sample's task embedding; (sample, fixed)."""
    change: Transform | None
    """Transforms of the samples; None if they are not augmented."""
    generator: Generator
    """Generator of the draws that depend on the frames."""
    samples: slice
    """Indices of the samples within the whole batch."""
    size: int
    """Samples in the whole batch."""

    def of(self, samples: slice) -> "_Drawn":
        """The draws of some of the samples."""
        change = None if self.change is None else self.change.of(samples)
        return self._replace(
            frame=self.frame[samples],
            task=self.task[samples],
            fixed=self.fixed[samples],
            change=change,
            generator=self.generator.clone_state(),
            samples=samples,
        )


@dataclass(frozen=True, kw_only=True)
class SamplerConfig:
    """Settings of a sampler."""

    seed: int
    """Seed of the draws."""
    temperature: float = float("inf")
    """Tasks are drawn with probability ∝ frames^(1/temperature)."""
    weights: Sequence[float] | None = None
    """Weights of the data sets; None to draw tasks as if from one data set."""
    fractions: Sequence[float] | None = None
    """Fraction of the samples of each group; None if the fractions follow from temperature
    and weights."""
    goal_images: float = 0.5
    """Fraction of the samples with a goal image and no instruction, for a policy that is
    conditioned on both."""
    images: ImageAugmentation = field(default_factory=ImageAugmentation)
    """Augmentation of images."""


class Sampler:
    """Draws batches of frames; a step's batch depends on the step and ``drawing`` alone.

    Args:
        source: Frames to draw from.
        wordings: Instruction embeddings of each task.
        conditioning: Conditioning of the policy, which composes task embeddings.
        chunk: Actions in a sample.
        config: Settings of the draws.
        augmenter: Draws the augmentation of samples; None for none.

    Raises:
        ValueError: If the augmentation gives each problem its own action space.
    """

    def __init__(
        self,
        source: Frames,
        wordings: InstructionEmbeddings,
        conditioning: Conditioning,
        *,
        chunk: int,
        config: SamplerConfig,
        augmenter: Augmenter | None = None,
    ) -> None:
        if augmenter is not None:
            _check_single(augmenter)
        self._source, self._wordings = source, wordings
        self._conditioning, self._chunk = conditioning, chunk
        self._config, self._augmenter = config, augmenter
        episodes = source.episodes
        groups = torch.stack([episodes.task, episodes.source], dim=1)
        # Frames are sorted by task and data set, of which each pair is a group.
        groups, group = torch.unique_consecutive(groups, return_inverse=True, dim=0)
        counts = torch.zeros_like(groups[:, 0]).index_add(0, group, episodes.length)
        self._tasks, self._counts = groups[:, 0].contiguous(), counts
        self._starts = counts.cumsum(0) - counts
        self.groups = groups
        """Task and data set of each group of frames; (group, 2)."""
        self._weights = group_weights(
            groups, counts, config.temperature, config.weights
        )
        if config.fractions is not None:
            fractions = torch.tensor(config.fractions, device=counts.device)
            self._weights = fractions.double()
        self.drawing: Drawing = Weighted(self._weights)

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step, with about ``size`` samples."""
        return self._gathered(self._drawn(step, size))

    def divided(self, step: int, size: int, indices: Sequence[int], of: int) -> Divided:
        """Some parts of a batch, without reading the frames of others; see ``Divisible``."""
        drawn = self._drawn(step, size)
        slices = slices_of_parts(len(drawn.task), indices, of)
        return Divided(
            parts=tuple(self._gathered(drawn.of(samples)) for samples in slices),
            samples=slice(slices[0].start, slices[-1].stop),
            task=drawn.task,
        )

    def _drawn(self, step: int, size: int) -> _Drawn:
        # One generator for each batch: a thread may draw another batch meanwhile.
        generator = Generator(self._counts.device).manual_seed(
            mixed(self._config.seed, step)
        )
        draws = torch.rand(
            2,
            self.drawing.size(size),
            generator=generator,
            device=generator.device,
        )
        group = self.drawing.groups(draws[0])
        offset = (draws[1] * self._counts[group]).long()
        position = self._starts[group] + offset.minimum(self._counts[group] - 1)
        frame = self._source.rows(position)
        task = self._tasks[group].to(self._source.device)
        fixed = self._wordings.sample(task, generator)
        change, augmenter = None, self._augmenter
        if augmenter is not None:
            change = augmenter.singly(task, generator)
        goals = drawn_goals(
            len(task), self._conditioning, self._config.goal_images, generator
        )
        if goals is not None:
            fixed = without_instructions(fixed, goals, self._conditioning)
            change = replace(change or Transform(), goal_image=goals)
        all_samples = slice(0, len(task))
        return _Drawn(frame, task, fixed, change, generator, all_samples, len(task))

    def _gathered(self, drawn: _Drawn) -> Batch:
        batch = gather(
            self._source,
            drawn.frame,
            drawn.fixed,
            self._conditioning,
            self._chunk,
            drawn.change,
        )
        return augmented(
            batch,
            self._config.images,
            drawn.generator,
            samples=drawn.samples,
            of=drawn.size,
        )

    def evenly(self) -> "Sampler":
        """The same sampler with equally many samples of every task, sorted by task."""
        even = copy(self)
        even.drawing = Even(self._tasks, self._weights)
        return even

    @property
    def fractions(self) -> Tensor:
        """Fraction of the samples of each group, by the sampler's settings; (group,)."""
        return self._weights / self._weights.sum()

    def by_group(self) -> "Sampler":
        """The same sampler with equally many samples of every group, sorted by group."""
        even = copy(self)
        groups = torch.arange(len(self._tasks), device=self._weights.device)
        even.drawing = Even(groups, torch.ones_like(self._weights))
        return even

    def emphasise(self, losses: Tensor) -> None:
        """Multiplies the sampling weights of tasks by their validation losses.

        Args:
            losses: Validation loss of each task; (task,).
        """
        by_group = losses.to(self._tasks.device)[self._tasks]
        self.drawing = Weighted(by_loss(self._weights, by_group))


def _check_single(augmenter: Augmenter) -> None:
    if augmenter.augmentation.action_space != "own":
        raise InputError(
            f"action_space={augmenter.augmentation.action_space!r} gives each problem its"
            " own action space, which a single frame does not show; train with an"
            " objective that draws problems, such as context, or leave it 'own'."
        )


def gather(
    source: Frames,
    frame: Tensor,
    fixed: Tensor,
    conditioning: Conditioning,
    chunk: int,
    change: Transform | None = None,
) -> Batch:
    """The samples that start at the given frames.

    Args:
        source: Frames to read.
        frame: Row of each sample's first step; (batch,).
        fixed: Fixed part of each sample's task embedding; (batch, fixed).
        conditioning: Conditioning of the policy, which composes task embeddings.
        chunk: Actions in a sample.
        change: Transforms of the samples; None for recorded samples.
    """
    episode = source.episode(frame)
    left = source.episodes.start[episode] + source.episodes.length[episode] - frame
    ahead = torch.arange(chunk, device=frame.device)
    mask = ahead < left[:, None]
    rows = frame[:, None] + ahead * mask  # Past the end: the first action, masked.
    if change is not None and source.approach is not None:
        state, action = from_elsewhere(source, rows, change.start)
        observation = {STATE: state}
    else:
        observation, action = source.table.read(rows)
        state = observation[STATE]
    if change is not None:
        later = state
        if change.ahead is not None:
            later = source.table.read(change.later(frame, left)[:, None])[0][STATE]
        state = change.state(state, later)
        action = change.action(action)
    observation = {**observation, STATE: state}
    if source.history > 1:
        observation = _past(source, frame, source.episodes.start[episode])
    if "goal_image" in conditioning.kinds:
        when = None if change is None else change.goal_image
        observation |= goal_images(source, frame, left, when)
    return Batch(
        observation=observation,
        action=action,
        mask=mask.to(source.device).float(),
        task_embedding=conditioning.embedding(fixed, state),
        task=source.episodes.task[episode].to(source.device),
    )


def _past(source: Frames, frame: Tensor, start: Tensor) -> dict[str, Tensor]:
    """Observations of the samples' first steps and of the steps before; (batch, time, …).

    Args:
        source: Frames to read.
        frame: Row of each sample's first step; (batch,).
        start: First row of each sample's episode; (batch,).
    """
    back = torch.arange(1 - source.history, 1, device=frame.device)
    rows = (frame[:, None] + back).maximum(start[:, None])
    observation, _ = source.table.read(rows[..., None])
    if EMBODIMENT in observation:
        observation[EMBODIMENT] = observation[EMBODIMENT][:, -1]
    return observation


def every_frame(
    source: Frames,
    wordings: InstructionEmbeddings,
    conditioning: Conditioning,
    *,
    chunk: int,
    size: int,
) -> Iterator[Batch]:
    """All frames in order with the canonical instructions, for validation.

    Args:
        source: Frames to read.
        wordings: Instruction embeddings of each task.
        conditioning: Conditioning of the policy, which composes task embeddings.
        chunk: Actions in a sample.
        size: Samples in a batch.
    """
    count, device = len(source), source.episodes.start.device
    for first in range(0, count, max(size, 1)):
        positions = torch.arange(first, min(first + size, count), device=device)
        frame = source.rows(positions)
        task = source.episodes.task[source.episode(frame)].to(source.device)
        yield gather(source, frame, wordings.canonical(task), conditioning, chunk)
