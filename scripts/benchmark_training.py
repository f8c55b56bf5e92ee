"""Benchmark of training steps per second, compared with a bare PyTorch loop.

The bare loop trains the same network with the same optimiser on one fixed batch: forward,
loss, backward, step. Training adds the sampling of batches, gradient clipping, the schedule,
EMA and the check for losses that are not finite. Blocks of steps alternate between the two,
and the ratio is the median over pairs of blocks.

With --beside, blocks of training steps are compared with and without that many other
processes that keep cores busy.
"""

import contextlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from robomtl.conditioning import Conditioning, InstructionEmbeddings
from robomtl.demonstrations import Demonstrations
from robomtl.execution.machine import Machine, Precision, resolved
from robomtl.execution.threads import ThreadCount, Threads
from robomtl.policy import Policy, Spec
from robomtl.registry import POLICIES, suite
from robomtl.task import find_task
from robomtl.training import TrainConfig
from robomtl.training.learner import learner_for
from robomtl.training.recorded import frames
from robomtl.training.samples import Sampler, SamplerConfig
from robomtl.versions import processor


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    data: tyro.conf.Positional[Path]
    """Demonstrations of a suite."""
    policy: str = "film"
    """Architecture."""
    steps: int = 50
    """Steps in a block."""
    pairs: int = 20
    """Pairs of blocks."""
    threads: ThreadCount = "auto"
    """Number of threads of torch; by default as in training."""
    precision: Precision = "auto"
    """Arithmetic of the network; by default as in training."""
    beside: int = 0
    """Number of processes that keep cores busy; 0 to compare with the bare loop."""


def main(benchmark: Benchmark) -> None:
    """Prints steps per second of both, and the median ratio."""
    machine = resolved(Machine(device="cpu", precision=benchmark.precision))
    config = TrainConfig(device="cpu", precision=machine.precision)
    sampler, spec = _sampler(Demonstrations(benchmark.data), config)
    learner = learner_for(_policy(benchmark.policy, spec), config)

    def ours() -> None:
        learner.update(sampler.batch(learner.step, config.batch_size))

    with (
        tempfile.TemporaryDirectory() as folder,
        Threads(benchmark.threads, device="cpu", folder=Path(folder)) as threads,
    ):
        threads.take(0, lambda: learner.rehearse(sampler.batch(0, config.batch_size)))
        count = torch.get_num_threads()
        print(f"{processor()}, {machine.precision}, threads: {count}")
        if benchmark.beside:
            _compare_beside(benchmark, ours)
        else:
            bare = _bare_step(_policy(benchmark.policy, spec), sampler, config)
            _compare(benchmark, ("training", ours), ("bare loop", bare))


def _compare_beside(benchmark: Benchmark, step: Callable[[], None]) -> None:
    """Compares training steps with and without other busy processes."""
    with _spinning(benchmark.beside) as others:

        def signalled(number: signal.Signals) -> Callable[[], None]:
            def begin() -> None:
                for other in others:
                    other.send_signal(number)

            return begin

        _compare(
            benchmark,
            ("quiet", step),
            (f"beside {benchmark.beside}", step),
            before=(signalled(signal.SIGSTOP), signalled(signal.SIGCONT)),
        )


@contextlib.contextmanager
def _spinning(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Starts processes that loop forever, and kills them at the end of the block."""
    command = [sys.executable, "-c", "while True: pass"]
    # In separate POSIX sessions, as Linux divides cores among sessions first.
    others = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]
    try:
        yield others
    finally:
        for other in others:
            other.kill()
            other.wait()


def _nothing() -> None:
    """Does nothing before a block."""


def _compare(
    benchmark: Benchmark,
    first: tuple[str, Callable[[], None]],
    second: tuple[str, Callable[[], None]],
    *,
    before: tuple[Callable[[], None], Callable[[], None]] = (_nothing, _nothing),
) -> None:
    """Prints steps per second of two kinds of block, and the median ratio of the two."""
    pairs = []
    for _ in range(benchmark.pairs + 1):
        pair = []
        for begin, (_name, step) in zip(before, (first, second), strict=True):
            begin()
            pair.append(_rate(step, benchmark.steps))
        pairs.append(pair)
    pairs = pairs[1:]  # The first pair warms up.
    for index, kind in enumerate(("", "CPU ")):
        columns = [
            [each[index] for each in column] for column in zip(*pairs, strict=True)
        ]
        rates = [statistics.median(column) for column in columns]
        ratios = sorted(one / other for one, other in zip(*columns, strict=True))
        print(
            f"{first[0]} {rates[0]:.1f}, {second[0]} {rates[1]:.1f} steps per {kind}second,"
            f" ratio {statistics.median(ratios):.3f} (from {ratios[0]:.3f} to"
            f" {ratios[-1]:.3f} over {len(ratios)} pairs)"
        )


def _sampler(
    demonstrations: Demonstrations, config: TrainConfig
) -> tuple[Sampler, Spec]:
    assert demonstrations.suite is not None
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    conditioning = Conditioning(kinds=("language",), tasks=demonstrations.tasks)
    instructions = [find_task(made, name).instructions for name in demonstrations.tasks]
    sampler = Sampler(
        frames(demonstrations, range(len(demonstrations)), torch.device("cpu")),
        InstructionEmbeddings(
            conditioning, instructions, config.instruction_augmentation
        ),
        conditioning,
        chunk=1,
        config=SamplerConfig(seed=config.seed, temperature=config.temperature),
    )
    spec = Spec(
        state=demonstrations.state.shape[1],
        action=demonstrations.action.shape[1],
        embedding=conditioning.size,
    )
    return sampler, spec


def _policy(name: str, spec: Spec) -> Policy:
    torch.manual_seed(0)
    architecture = POLICIES.get(name)
    made: Policy = architecture(architecture.Config(), spec)
    return made


def _bare_step(
    policy: Policy, sampler: Sampler, config: TrainConfig
) -> Callable[[], None]:
    batch, mixed = sampler.batch(0, config.batch_size), config.precision == "bfloat16"
    optimiser = torch.optim.AdamW(policy.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = policy.loss(batch).per_sample.mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _rate(step: Callable[[], None], steps: int) -> tuple[float, float]:
    """Steps per second of wall time, and per second of processor time [1/s]."""
    before = time.perf_counter(), time.process_time()
    for _ in range(steps):
        step()
    after = time.perf_counter(), time.process_time()
    return steps / (after[0] - before[0]), steps / (after[1] - before[1])


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
