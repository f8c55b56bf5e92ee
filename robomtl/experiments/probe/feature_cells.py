"""The cells of a feature probe and the measurement of one cell by a worker."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from robomtl import checkpoint
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.evaluation.journal_lines import Done
from robomtl.experiments.cells import Cell, Factors
from robomtl.experiments.probe.feature_reading import (
    FrameFeatures,
    Subject,
    aligned_by,
    episodes_for,
    initialised,
    read_frames,
    subject_of,
    texts,
    trajectories,
)
from robomtl.experiments.probe.linear_probe import probe_errors
from robomtl.task import Suite, find_task, goal_place

Weights = Literal["trained", "random"]
"""Weights of a run: after training, or at initialisation."""


@dataclass(frozen=True, kw_only=True)
class FeatureCell(Cell):
    """The features of one policy; the cell has no trials."""

    run: str
    """Run directory."""
    run_label: str
    """Label of the run."""
    objective: str
    """Training objective."""
    seed: int
    """Seed of the training."""
    weights: Weights
    """Weights with which the features are computed."""

    @property
    def name(self) -> str:
        """Label and weights."""
        return f"{self.run_label}/{self.weights}"

    @property
    def factors(self) -> Factors:
        """Run, objective, seed and weights."""
        return {
            "run": self.run_label,
            "objective": self.objective,
            "seed": self.seed,
            "weights": self.weights,
        }


@dataclass(frozen=True, kw_only=True)
class MeasureCell:
    """Computes the features of a cell's policy and probes them."""

    suite: Suite
    """Suite that defines the indices of positions in its states."""
    data: Path
    """Data set of the episodes."""
    stride: int
    """Steps between two frames that are read."""
    held_out: float
    """Fraction of each task's episodes that are held out from the fit."""

    def __call__(self, cell: FeatureCell) -> Done:
        """Errors and hits of a cell; see ``FeatureMeasures``.

        If the policy or the data set cannot be read, the cell fails with the reason, and
        the next call of the experiment tries it again.
        """
        try:
            return Done([], measured=self._measured(cell))
        except (InputError, OSError) as error:
            return Done.failed(str(error), 0, retry=True)

    def _measured(self, cell: FeatureCell) -> dict[str, Any]:
        trained = checkpoint.load(cell.run)
        episodes = episodes_for(trained, self.data)
        subject = subject_of(trained, episodes)
        if cell.weights == "random":
            subject = replace(subject, policy=initialised(trained, cell.seed))
        read = read_frames(subject, self.stride)
        task = subject.material.frames.episodes.task.numpy()
        fitted = fitted_of(episodes, self.held_out)
        errors = {
            layer: {
                name: self._probed(read, layer, name, task == index, fitted[index])
                for index, name in enumerate(episodes.tasks)
            }
            for layer in read.layers
        }
        return {"errors": errors, "hits": self._hits(subject, cell, episodes, fitted)}

    def _probed(
        self,
        read: FrameFeatures,
        layer: str,
        task: str,
        own: NDArray[np.bool_],
        fitted: int,
    ) -> dict[str, list[list[float]]]:
        """Residual and total of each held-out episode, by body."""
        frames = own[read.episode]
        features = read.layers[layer][frames].astype(np.float64)
        state = read.state[frames].astype(np.float64)
        episode = np.unique(read.episode[frames], return_inverse=True)[1]
        errors = {
            thing: probe_errors(features, state[:, indices], episode, fitted)
            for thing, indices in things_of(self.suite, task).items()
        }
        return {
            thing: [each.residual.tolist(), each.total.tolist()]
            for thing, each in errors.items()
            if each is not None
        }

    def _hits(
        self,
        subject: Subject,
        cell: FeatureCell,
        episodes: Demonstrations,
        fitted: Sequence[int],
    ) -> dict[str, list[list[int]]]:
        """Whether each wording retrieves an episode of its task, by kind of wording.

        A gallery consists of one held-out episode of each task.
        """
        objective = aligned_by(checkpoint.load(cell.run))
        if objective is None:
            return {}
        embedded = trajectories(subject, objective)
        task = subject.material.frames.episodes.task
        own = [
            (task == index).nonzero()[count:, 0] for index, count in enumerate(fitted)
        ]
        draws = min(map(len, own))
        galleries = torch.stack([each[:draws] for each in own])  # (task, draw)
        hits = {}
        for kind, sentences in self._wordings(episodes).items():
            if sentences:
                queries = texts(subject, sentences)
                scores = torch.einsum("qx,tdx->qtd", queries, embedded[galleries])
                right = [episodes.tasks.index(name) for name, _ in sentences]
                hit = scores.argmax(1) == torch.tensor(right)[:, None]  # (text, draw)
                hits[kind] = hit.int().tolist()
        return hits

    def _wordings(self, episodes: Demonstrations) -> dict[str, list[tuple[str, str]]]:
        """Pairs (task, sentence) of the training and the held-out wordings."""
        tasks = [find_task(self.suite, name) for name in episodes.tasks]
        return {
            "training": [(t.name, each) for t in tasks for each in t.instructions],
            "held-out": [
                (t.name, each) for t in tasks for each in t.held_out_instructions
            ],
        }


def things_of(suite: Suite, task: str) -> Mapping[str, slice]:
    """Indices in a task's state of the positions of hand, objects and goal, by name.

    Raises:
        InputError: If the suite does not define them.
    """
    positions: Callable[[str], Mapping[str, slice]] | None
    positions = getattr(suite, "positions", None)
    if positions is None:
        raise InputError(
            f"A linear probe needs a suite that defines the indices of positions in its"
            f" states; {suite.name} lacks the method positions(task), see"
            " robomtl.task.Suite."
        )
    goal = goal_place(suite, task)
    return {**positions(task), **({} if goal is None else {"goal": goal})}


def fitted_of(episodes: Demonstrations, held_out: float) -> list[int]:
    """Number of episodes of each task that a probe is fitted on, the first ones.

    Raises:
        InputError: If a task has fewer than 2 episodes to fit on, or none to hold out.
    """
    counts = np.bincount(episodes.episodes.task, minlength=len(episodes.tasks))
    fitted = [int(count) - int(held_out * count) for count in counts]
    for name, count, used in zip(episodes.tasks, counts, fitted, strict=True):
        if used < 2 or used == count:
            raise InputError(
                f"A linear probe needs at least 2 episodes of each task to fit on and 1 to"
                f" test on; held_out {held_out} leaves {used} and {count - used} of the"
                f" {count} of '{name}'. Give another fraction, or more episodes."
            )
    return fitted


def plan(runs: Mapping[str, FeatureCell]) -> tuple[FeatureCell, ...]:
    """The cells: each run with its trained weights, and at initialisation."""
    return tuple(
        replace(cell, weights=weights)
        for cell in runs.values()
        for weights in get_args(Weights)
    )
