"""Batches of few-shot problems: a support set and queries for each of some tasks.

Objectives that train for adaptation are trained on what adaptation is given: a few
demonstrations of a task, and frames of its other demonstrations as queries.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from robomtl.errors import InputError
from robomtl.policy import EMBODIMENT, Batch, Context
from robomtl.training.frames import Frames, Spans
from robomtl.training.objective import Material
from robomtl.training.samples import gather, mixed
from robomtl.training.transforms import Transform

_VALIDATION, _QUERIES = 4, 256  # Batches, and queries in each.


class Episodic(NamedTuple):
    """Problems of some tasks; rows of ``support`` and ``query`` are sorted by task."""

    context: Context
    """Demonstrations of the support, subsampled."""
    support: Batch
    """Frames drawn from the support; (task · sample, …)."""
    query: Batch
    """Frames of other demonstrations of the same tasks; (task · sample, …)."""
    others: Context | None = None
    """Some of the queries' demonstrations, subsampled; None unless requested."""
    inferred_slice: slice = slice(0, 0)
    """Position in the task embedding of what is inferred from demonstrations."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each query; (task · sample,)."""
        return self.query.task

    @property
    def tasks(self) -> int:
        """Number of problems."""
        return len(self.context.mask)


_SHORTEST = 0.25  # Smallest fraction of its episodes that a problem may be cut to.
_WHOLE = torch.tensor([0.0, 1.0])


def context_of(
    frames: Frames,
    spans: Spans,
    episodes: Tensor,
    mask: Tensor,
    *,
    steps: int,
    window: Tensor = _WHOLE,
) -> Context:
    """Demonstrations subsampled to equally many steps, evenly from first to last.

    Args:
        frames: Frames of the episodes.
        spans: Spans of the frames' episodes, on the device of ``episodes`` and ``mask``,
            which may differ from that of the frames.
        episodes: Indices of episodes within ``spans``; (task, shot).
        mask: Whether each episode counts; (task, shot).
        steps: Number of steps to keep of each; shorter episodes repeat some.
        window: Start and end of the part of an episode that is kept, as fractions of its
            steps; (2,), or (task, 1, 2).
    """
    progress = torch.linspace(0, 1, steps, device=mask.device)
    start, length = _within(
        spans.start[episodes], spans.length[episodes], window.to(mask.device)
    )
    rows = start[..., None] + (progress * (length[..., None] - 1)).round().long()
    rows, device = rows.to(frames.episodes.start.device), frames.device
    observation, action = frames.table.read(rows[..., None])
    return Context(
        state=observation["state"],
        action=action.squeeze(-2),
        progress=progress.expand(rows.shape).to(device),
        mask=mask.float().to(device),
        robot=observation[EMBODIMENT][..., 0]
        if EMBODIMENT in observation
        else torch.zeros(mask.shape, dtype=torch.long, device=device),
    )


def _within(start: Tensor, length: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    """First row and length, (…,), of the part of each episode in a window, (…, 2)."""
    first, last = (window * (length - 1)[..., None]).round().long().unbind(-1)
    return start + first, last - first + 1


def _inferred_slice(material: Material) -> slice:
    """Position in the task embedding of what is inferred; empty if nothing is."""
    conditioning = material.conditioning
    inferred = "demonstration" in conditioning.kinds
    return conditioning.slice_of("demonstration") if inferred else slice(0, 0)


class EpisodicSampler:
    """Draws batches of problems; a step's batch depends on the step alone.

    Tasks, or goals if these are hidden, are drawn without replacement; for each, a random
    number of demonstrations as support, and queries from its other demonstrations.

    Args:
        material: Data that problems are drawn from.
        tasks: Problems in a batch; at most the number of tasks or goals.
        shots: Largest number of demonstrations in a support.
        steps: Steps to which a demonstration is subsampled.
        seed: Seed of the draws.
        others: Number of the queries' demonstrations to return as a context as well.

    Raises:
        InputError: If no group has two demonstrations, one to learn from and one to act.
    """

    def __init__(
        self,
        material: Material,
        *,
        tasks: int,
        shots: int,
        steps: int,
        seed: int,
        others: int = 0,
    ) -> None:
        self._material, self._shots, self._steps = material, shots, steps
        self._others, self._inferred_slice = others, _inferred_slice(material)
        # Single numbers are drawn on the CPU: on a GPU, each draw waits for the last one.
        self._spans = Spans(*(part.cpu() for part in material.frames.episodes))
        group = self._spans.group
        members = [(group == g).nonzero()[:, 0] for g in sorted({*group.tolist()})]
        self._members = [some for some in members if len(some) > 1]
        if not self._members:
            raise InputError(
                "No task, or goal where goals are hidden, has two demonstrations, one for"
                " the support and one to act in; collect more episodes of each."
            )
        self._tasks = min(tasks, len(self._members))
        self._seed = seed
        self.sub_trajectories = 0.0
        """Fraction of the problems that are cut to a part of each of their episodes."""

    def batch(self, step: int, size: int) -> Episodic:
        """The problems of a step, with about ``size`` queries in all."""
        generator = Generator().manual_seed(mixed(self._seed, step))
        drawn = torch.randperm(len(self._members), generator=generator)[: self._tasks]
        each = max(1, size // self._tasks)
        problems = [self._problem(self._members[g], each, generator) for g in drawn]
        episodes, mask, others, support, query, window = (
            torch.stack(part) for part in zip(*problems, strict=True)
        )
        window = window[:, None]
        material = self._material
        device = material.frames.episodes.start.device
        support, query = support.to(device), query.to(device)
        embeddings = [
            self._embeddings(rows.flatten(), generator) for rows in (support, query)
        ]
        augmenter, task = material.augmenter, self._task(query[:, 0].contiguous())
        change = None if augmenter is None else augmenter.draw(task, generator)
        return Episodic(
            context=self._context(episodes, mask, window, change),
            support=self._gather(support, embeddings[0], change, generator),
            query=self._gather(query, embeddings[1], change, generator),
            others=self._context(others, torch.ones_like(others), window, change)
            if self._others
            else None,
            inferred_slice=self._inferred_slice,
        )

    def _context(
        self, episodes: Tensor, mask: Tensor, window: Tensor, change: Transform | None
    ) -> Context:
        shown = context_of(
            self._material.frames,
            self._spans,
            episodes,
            mask,
            steps=self._steps,
            window=window,
        )
        return _changed(shown, change)

    def _problem(
        self, members: Tensor, each: int, generator: Generator
    ) -> tuple[Tensor, ...]:
        """Draws of one problem.

        Returns:
            Support episodes and their mask, (shot,); other episodes, (other,); rows of
            support and query, (sample,); and the window, (2,).
        """
        order = members[torch.randperm(len(members), generator=generator)]
        most = min(self._shots, len(order) - 1)
        shots = int(torch.randint(1, most + 1, (), generator=generator))
        positions = torch.arange(self._shots)
        mask = positions < shots
        episodes = order[positions * mask]
        rest = order[shots:]
        others = rest[torch.arange(self._others) % len(rest)]
        window = self._window(generator)
        support = self._rows(order[:shots], each, window, generator)
        query = self._rows(rest, each, window, generator)
        return episodes, mask, others, support, query, window

    def _window(self, generator: Generator) -> Tensor:
        """Start and end of the part of its episodes that a problem is cut to; (2,)."""
        if not self.sub_trajectories:  # Nothing is drawn, so other draws stay the same.
            return _WHOLE
        draw, size, position = torch.rand(3, generator=generator)
        if draw >= self.sub_trajectories:
            return _WHOLE
        size = _SHORTEST + (1 - _SHORTEST) * size
        start = position * (1 - size)
        return torch.stack([start, start + size])

    def _rows(
        self, episodes: Tensor, count: int, window: Tensor, generator: Generator
    ) -> Tensor:
        """Rows drawn uniformly from the frames of episodes in a window; (sample,)."""
        start, length = _within(
            self._spans.start[episodes], self._spans.length[episodes], window
        )
        ends = length.cumsum(0)
        draw = torch.rand(count, generator=generator) * ends[-1]
        position = draw.long().clamp(max=int(ends[-1]) - 1)
        episode = torch.searchsorted(ends, position, right=True)
        offset = position - (ends - length)[episode]
        return start[episode] + offset

    def _embeddings(self, rows: Tensor, generator: Generator) -> Tensor:
        """Fixed part of the task embedding of some frames; (sample, fixed)."""
        return self._material.wordings.sample(self._task(rows), generator)

    def _task(self, rows: Tensor) -> Tensor:
        """Index of the task of some frames, on the training device."""
        frames = self._material.frames
        return frames.episodes.task[frames.episode(rows)].to(frames.device)

    def _gather(
        self,
        rows: Tensor,
        fixed: Tensor,
        change: Transform | None,
        generator: Generator,
    ) -> Batch:
        """Samples of some problems, transformed problem by problem.

        Args:
            rows: Rows of the samples' first steps; (task, sample).
            fixed: Fixed part of their task embeddings; (task · sample, fixed).
            change: Transform of each problem.
            generator: Generator of the draws of single samples.
        """
        material, augmenter = self._material, self._material.augmenter
        if change is not None and augmenter is not None:
            task = self._task(rows.flatten())
            spread = change.repeated(rows.shape[1])
            change = augmenter.complete(spread, task, generator)
        return gather(
            material.frames,
            rows.flatten(),
            fixed,
            material.conditioning,
            material.chunk,
            change,
        )


def validation_problems(
    material: Material, *, tasks: int, shots: int, steps: int, others: int = 0
) -> Iterator[Episodic]:
    """A few batches of problems of held-out episodes, the same at every call.

    There are none if no task or goal has two demonstrations held out.
    """
    if not len(material.frames):
        return
    held_out = material.frames.episodes.group
    if len({*held_out.tolist()}) == len(held_out):
        return
    sampler = EpisodicSampler(
        material, tasks=tasks, shots=shots, steps=steps, seed=0, others=others
    )
    for step in range(_VALIDATION):
        yield sampler.batch(step, _QUERIES)


def _changed(context: Context, change: Transform | None) -> Context:
    if change is None:
        return context
    times = context.state[0, ..., 0].numel()
    spread = change.repeated(times)
    state = spread.state(context.state.flatten(0, 2))
    action = spread.action(context.action.flatten(0, 2)[:, None])
    return context._replace(
        state=state.view_as(context.state), action=action.view_as(context.action)
    )
