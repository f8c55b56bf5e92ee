"""Benchmark of training steps with gradient aggregation or task weighting.

Each method is compared with a plain step that averages all samples. Batches are fixed: ten
tasks with the sizes of Meta-World and language conditioning, with equally many samples of
each. The rest of a training step is timed: loss, gradients, their combination, clipping,
optimiser and EMA. Blocks of steps alternate between the methods, and the ratio of a method is
the median over rounds of its block over the plain block of the same round: in wall time, and
in CPU time, which a busy machine distorts less.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import torch
import tyro

from robomtl.policy import Batch, Spec
from robomtl.registry import POLICIES
from robomtl.training import TrainConfig
from robomtl.training.balancing import Aggregation, Weighting
from robomtl.training.learner import learner_for

_STATE, _ACTION, _EMBEDDING = 39, 4, 384


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    methods: tuple[str, ...] = (*get_args(Aggregation)[1:], *get_args(Weighting)[1:])
    """Aggregations and weightings to time."""
    policy: str = "film"
    """Architecture, at its default size."""
    tasks: int = 10
    """Number of tasks."""
    steps: int = 10
    """Steps in a block."""
    rounds: int = 12
    """Number of timed blocks of each method, after one block to warm up."""
    config: TrainConfig = field(default_factory=TrainConfig)
    """Settings of the run."""


def main(benchmark: Benchmark) -> None:
    """Prints the milliseconds of a step of each method, and its ratios."""
    threads = benchmark.config.threads
    torch.set_num_threads(1 if threads == "auto" else threads)
    warnings.simplefilter("ignore")
    names = ("plain", *benchmark.methods)
    steps = [_step(benchmark, name) for name in names]
    rounds = [
        [_seconds(step, benchmark.steps) for step in steps]
        for _ in range(benchmark.rounds + 1)
    ][1:]
    for name, column in zip(names, zip(*rounds, strict=True), strict=True):
        pairs = list(zip(column, (row[0] for row in rounds), strict=True))
        clock = statistics.median(one[0] for one in column) / benchmark.steps
        ratios = [
            statistics.median(one[kind] / plain[kind] for one, plain in pairs)
            for kind in (0, 1)
        ]
        print(
            f"{name:<12} {1000 * clock:8.1f} ms   {ratios[0]:5.2f} x plain"
            f"   {ratios[1]:5.2f} x in CPU time"
        )


def _step(benchmark: Benchmark, name: str) -> Callable[[], object]:
    settings: dict[str, Any] = vars(benchmark.config)
    if name in get_args(Aggregation):
        settings = {**settings, "aggregation": name}
    elif name != "plain":
        settings = {**settings, "weighting": name}
    torch.manual_seed(0)
    architecture = POLICIES.get(benchmark.policy)
    spec = Spec(state=_STATE, action=_ACTION, embedding=_EMBEDDING)
    made = architecture(architecture.Config(), spec)
    tasks = [f"task {index}" for index in range(benchmark.tasks)]
    learner = learner_for(made, TrainConfig(**settings), tasks=tasks)
    batch = _batch(benchmark, made.chunk)
    return lambda: learner.update(batch)


def _batch(benchmark: Benchmark, chunk: int) -> Batch:
    each = benchmark.config.batch_size // benchmark.tasks
    size = each * benchmark.tasks
    task_embedding = torch.nn.functional.normalize(
        torch.randn(benchmark.tasks, _EMBEDDING)
    )
    return Batch(
        observation={"state": torch.randn(size, _STATE)},
        action=torch.rand(size, chunk, _ACTION) * 2 - 1,
        mask=torch.ones(size, chunk),
        task_embedding=task_embedding.repeat_interleave(each, 0),
        task=torch.arange(benchmark.tasks).repeat_interleave(each),
    )


def _seconds(step: Callable[[], object], steps: int) -> tuple[float, float]:
    """Wall time and CPU time of some steps [s]."""
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return time.perf_counter() - clock, time.process_time() - cpu


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
