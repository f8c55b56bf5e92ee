#!/usr/bin/env python
"""Benchmark of a worker's memory, compared with an interpreter that has imported torch.

One worker runs the trials of an evaluation. Its resident set, including shared libraries, is
read after each chunk of trials (``VmRSS``, of which the largest is reported) and at its peak
(``VmHWM``), which is reached briefly while the model of a task is compiled.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import tyro

import robomtl
from robomtl.acting.agent import PolicyAgent
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.planning import planned
from robomtl.evaluation.trials import Chunk
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.executor import LocalExecutor

_BARE = "import torch; print(open('/proc/self/status').read())"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    run: tyro.conf.Positional[Path]
    """Run directory of a policy."""
    suite: str = "metaworld/MT10"
    """Suite of the trials."""
    episodes: tuple[int, ...] = (5, 50)
    """Numbers of trials per task, each measured with a new worker."""


class Memory(NamedTuple):
    """Resident set of a process, current and peak [MB]."""

    now: float
    peak: float


@dataclass(frozen=True)
class MemoryAfter:
    """Work that runs a chunk of trials and returns the memory of its process."""

    play: PlayChunk

    def __call__(self, chunk: Chunk) -> Memory:
        """The memory of this process."""
        self.play(chunk)
        return memory(Path("/proc/self/status").read_text())


def memory(status: str) -> Memory:
    """The memory in the text of ``/proc/PID/status``."""
    words = status.split()
    now, peak = (words[words.index(name) + 1] for name in ("VmRSS:", "VmHWM:"))
    return Memory(int(now) / 1000, int(peak) / 1000)


def bare() -> Memory:
    """The memory of an interpreter that has imported torch."""
    command = [sys.executable, "-c", _BARE]
    finished = subprocess.run(command, capture_output=True, check=True, text=True)
    return memory(finished.stdout)


def worker(benchmark: Benchmark, episodes: int) -> tuple[int, Memory]:
    """Number of trials of a worker, and its largest memory."""
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
    chunks = planned(suite, conditions).chunks
    work = MemoryAfter(PlayChunk(PolicyAgent(benchmark.run), suite, conditions.until))
    found = [each for _, each in LocalExecutor(workers=1).map(work, chunks)]
    assert all(isinstance(each, Memory) for each in found)
    most = Memory(*(max(column) for column in zip(*found, strict=True)))
    return sum(len(chunk.trials) for chunk in chunks), most


def main(benchmark: Benchmark) -> None:
    """Prints the memory of workers, and the difference from torch alone."""
    floor = bare()
    print(f"interpreter with torch: {floor.now:.0f} MB")
    for episodes in benchmark.episodes:
        trials, most = worker(benchmark, episodes)
        print(
            f"worker, {trials} trials: {most.now:.0f} MB ({most.now - floor.now:+.0f}),"
            f" peak {most.peak:.0f} MB ({most.peak - floor.now:+.0f})"
        )


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
