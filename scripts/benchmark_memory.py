#!/usr/bin/env python
"""Memory of a worker process, above that of an interpreter that imported torch.

One worker plays the trials of an evaluation. Its resident set, shared libraries included,
is read after each chunk of trials (``VmRSS``, the greatest counts) and at its peak
(``VmHWM``), which is for a moment, while the model of a task is compiled.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tyro

import robomtl
from robomtl.acting.agent import PolicyAgent
from robomtl.evaluation.conditions import Conditions, chunks_of
from robomtl.evaluation.trials import Chunk
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.executor import LocalExecutor

_BARE = "import torch; print(open('/proc/self/status').read())"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is measured."""

    run: tyro.conf.Positional[Path]
    """Run directory of a policy."""
    suite: str = "metaworld/MT10"
    """Suite whose tasks are played."""
    episodes: tuple[int, ...] = (5, 50)
    """Trials of each task, in turns."""


class Memory(NamedTuple):
    """Resident sets of a process [MB]."""

    now: float
    peak: float


@dataclass(frozen=True)
class MemoryAfter:
    """Plays a chunk, and tells what its process takes then."""

    play: PlayChunk

    def __call__(self, chunk: Chunk) -> Memory:
        """The memory of this process."""
        self.play(chunk)
        return memory(Path("/proc/self/status").read_text())


def memory(status: str) -> Memory:
    """The memory in a status as the kernel writes it."""
    words = status.split()
    now, peak = (words[words.index(name) + 1] for name in ("VmRSS:", "VmHWM:"))
    return Memory(int(now) / 1000, int(peak) / 1000)


def bare() -> Memory:
    """The memory of an interpreter with torch."""
    command = [sys.executable, "-c", _BARE]
    finished = subprocess.run(command, capture_output=True, check=True, text=True)
    return memory(finished.stdout)


def worker(benchmark: Benchmark, episodes: int) -> tuple[int, Memory]:
    """How many trials a process played, and the most that it took."""
    suite = robomtl.suite(benchmark.suite)
    conditions = Conditions(
        tasks=None,
        split="fresh",
        episodes=episodes,
        repeats=1,
        instructions="canonical",
        until="success",
        seed=0,
    )
    chunks = chunks_of(suite, conditions)
    work = MemoryAfter(PlayChunk(PolicyAgent(benchmark.run), suite, conditions.until))
    found = [each for _, each in LocalExecutor(workers=1).map(work, chunks)]
    assert all(isinstance(each, Memory) for each in found)
    most = Memory(*(max(column) for column in zip(*found, strict=True)))
    return sum(len(chunk.trials) for chunk in chunks), most


def main(benchmark: Benchmark) -> None:
    """Prints what a worker takes, and how much of it beyond torch."""
    floor = bare()
    print(f"interpreter with torch: {floor.now:.0f} MB")
    for episodes in benchmark.episodes:
        trials, most = worker(benchmark, episodes)
        print(
            f"worker, {trials} trials: {most.now:.0f} MB ({most.now - floor.now:+.0f}),"
            f" at its peak {most.peak:.0f} MB ({most.peak - floor.now:+.0f})"
        )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
