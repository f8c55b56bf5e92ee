#!/usr/bin/env python
"""Benchmark of resuming an evaluation that was killed half way.

The same evaluation runs three times as `robomtl evaluate`: uninterrupted; killed with
`kill -9` once half of its chunks are in the journal; and resumed. The resumed run should take
at most 55 % of the time of the first, and must end with the same trials.
"""

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import tyro


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the evaluation."""

    agent: tyro.conf.Positional[str] = "expert"
    """Run directory of a policy, or 'expert'."""
    suite: str = "metaworld/MT50"
    """Suite."""
    episodes: int = 50
    """Trials per task."""
    horizon: int = 100
    """Steps of a trial."""
    workers: int = 2
    """Number of worker processes."""


def main(benchmark: Benchmark) -> None:
    """Prints the times and their ratios."""
    words = f"{benchmark.agent} --suite {benchmark.suite} --horizon {benchmark.horizon}"
    workers = f"--workers {benchmark.workers}"
    begin = f"{words} --episodes {benchmark.episodes} {workers} --out".split()
    with tempfile.TemporaryDirectory() as folder:
        whole, half = Path(folder, "whole"), Path(folder, "half")
        wall, processor = timed([*begin, str(whole)])
        trials = pq.read_table(whole / "trials.parquet").drop_columns(["seconds"])
        left = killed_half_way([*begin, str(half)], half, len(chunks(whole)))
        rest = timed([*workers.split(), "--resume", str(half)])
        again = pq.read_table(half / "trials.parquet").drop_columns(["seconds"])
    print(f"{len(trials)} trials: {wall:.1f} s, {processor:.1f} s of the processor")
    print(
        f"resumed with {left:.1%} left: {rest[0]:.1f} s, {rest[1]:.1f} s of the processor"
    )
    print(f"ratio {rest[0] / wall:.1%}, of the processor {rest[1] / processor:.1%}")
    print(f"the same trials: {again.equals(trials)}")


def timed(words: list[str]) -> tuple[float, float]:
    """Wall and processor time of `robomtl evaluate`, including its workers [s]."""
    before, start = _children(), time.monotonic()
    subprocess.run(_command(words), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start, _children() - before


def killed_half_way(words: list[str], out: Path, total: int) -> float:
    """Kills an evaluation half way; returns the fraction of chunks not in its journal."""
    process = subprocess.Popen(_command(words), stdout=subprocess.DEVNULL)
    while process.poll() is None and len(chunks(out)) < total / 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    return 1 - len(chunks(out)) / total


def chunks(out: Path) -> list[str]:
    """The lines of finished chunks in a folder's journal."""
    path = out / "journal.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith('{"chunk"')]


def _command(words: list[str]) -> list[str]:
    run = "import sys; from robomtl.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", run, "evaluate", *words]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
