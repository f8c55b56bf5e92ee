"""A step that balances tasks against one that averages samples, side by side.

Both draw nothing: ten tasks with the sizes of Meta-World and language conditioning lie in
memory, as many samples of each. Everything else of a step of training is timed: loss,
gradients, their combination, clipping, optimiser and averaged weights. Blocks of steps of
all methods alternate, so that each has the caches as in a run, and a method's ratio is the
median over rounds of its block over the plain one of the same round: by the clock, and in
CPU time, which a busy machine distorts less.
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
    """What is timed."""

    methods: tuple[str, ...] = (*get_args(Aggregation)[1:], *get_args(Weighting)[1:])
    """Aggregations and weightings."""
    policy: str = "film"
    """Architecture, in its default size."""
    tasks: int = 10
    """Number of tasks."""
    steps: int = 10
    """Steps in a block."""
    rounds: int = 12
    """Blocks of each, and one more to warm up."""
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
    tasks = [f"task {place}" for place in range(benchmark.tasks)]
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
    """Those of some steps, by the clock and in CPU time."""
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    return time.perf_counter() - clock, time.process_time() - cpu


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
