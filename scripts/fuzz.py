#!/usr/bin/env python
"""Fuzzes the readers of files: reads mutated files of every kind, and lists failures.

    python scripts/fuzz.py                     # 300 mutations of every kind of file
    python scripts/fuzz.py --kind card --seed 7 --number 1000

A mutated file passes if it is read, or refused by an error that the command line shows as a
sentence, within 20 s and 1 GB above the interpreter's memory, and if nothing is written
outside its folder or left among temporary files. Failures are listed with their seeds. Peak
memory is that of the process, including memory for intact files read earlier.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import readers
import samples
import watching

LIMIT = 20  # [s] Time limit of a mutation.
STUCK = 120  # [s] Time limit if a library blocks the signal of the first one.
MEMORY = 10**9  # [bytes] Limit above the interpreter's memory after all imports.
WRONG = ("traceback", "hang", "crash", "outside")


class Tried(NamedTuple):
    """Outcome of reading one mutated file."""

    seed: int
    """Seed of the mutation; -1 for the intact file, which is read first."""
    outcome: str
    """``read``, ``refused``, or one of ``WRONG``; ``whole`` for the intact file."""
    said: str
    """Traceback, or the paths of stray files."""
    peak: int
    """Peak resident memory of the process so far [bytes]."""


@dataclass
class Tally:
    """Outcomes of all mutations of a kind of file."""

    counts: Counter[str] = field(default_factory=Counter)
    """Number of mutations by outcome."""
    wrong: list[Tried] = field(default_factory=list)
    """Failed mutations."""
    before: int = 0
    """Peak resident memory after the intact file was read [bytes]."""
    peak: int = 0
    """Peak resident memory after all mutations [bytes]."""

    def add(self, tried: Tried) -> None:
        """Counts a mutation."""
        self.counts[tried.outcome] += 1
        self.peak = max(self.peak, tried.peak)
        if tried.outcome in WRONG:
            self.wrong.append(tried)

    def row(self, name: str, number: int, seconds: float) -> str:
        """The tally as a row of a table."""
        bad = "".join(f"{self.counts[each]:>11}" for each in WRONG)
        more = (self.peak - self.before) / 1e6
        return (
            f"{name:<24}{number:>7}{self.counts['read']:>7}{self.counts['refused']:>9}"
            f"{bad}{self.peak / 1e6:>9.0f}{more:>8.0f}{seconds:>6.0f}"
        )


HEADER = (
    f"{'kind of file':<24}{'tried':>7}{'read':>7}{'refused':>9}"
    + "".join(f"{each:>11}" for each in WRONG)
    + f"{'peak MB':>9}{'added':>8}{'s':>6}"
)


def _late(*_: object) -> None:
    raise readers.LateError(f"still not read after {LIMIT} s")


def _work(name: str, template: Path, seeds: range, answers: Connection) -> None:
    """Main function of a process, which sends the outcome of each mutation."""
    sys.dont_write_bytecode = True  # It would be written outside the folder.
    with tempfile.TemporaryDirectory() as outer:
        box, temporary = Path(outer) / "box", Path(outer) / "temporary"
        temporary.mkdir()
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        readers.fresh(template, box)
        hidden = io.StringIO()
        with contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
            readers.KINDS[name].prepare(box)
            readers.KINDS[name].read(box)  # Completes lazy imports.
        watch = watching.Watch(box, temporary)
        answers.send(Tried(-1, "whole", "", watching.peak_memory()))
        signal.signal(signal.SIGALRM, _late)
        limit = watching.address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for seed in seeds:
            readers.fresh(template, box)
            with watch.watching():
                signal.alarm(LIMIT)
                outcome, said = readers.attempt(name, box, seed)
                signal.alarm(0)
            left = [str(path) for path in temporary.iterdir()]
            beside = [str(path) for path in Path(outer).iterdir()]
            strays = (
                watch.strays + left + sorted({*beside} - {f"{box}", f"{temporary}"})
            )
            if strays:
                outcome, said = "outside", "\n".join(strays)
            answers.send(Tried(seed, outcome, said, watching.peak_memory()))


def _tried(name: str, template: Path, seeds: range) -> Iterator[Tried]:
    """Yields the outcome of each mutation; a process that dies or hangs is replaced."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["__main__"])  # Its imports take seconds.
    while seeds:
        ours, theirs = server.Pipe(duplex=False)
        process = server.Process(
            target=_work, args=(name, template, seeds, theirs), name=name
        )
        process.start()
        theirs.close()
        last = -1
        for tried in _answers(ours, process, seeds):
            yield tried
            last = tried.seed
            seeds = range(max(last + 1, seeds.start), seeds.stop)
        process.kill()
        process.join()
        if last < 0:
            return  # The intact file cannot be read.


def _answers(ours: Connection, process: BaseProcess, seeds: range) -> Iterator[Tried]:
    """Yields the outcomes that a process sends, until it finishes, dies or hangs."""
    next_seed, peak = -1, 0
    while next_seed < seeds.stop:
        try:
            tried = ours.recv() if ours.poll(STUCK) else None
        except EOFError:
            process.join()
            tried = Tried(next_seed, "crash", f"exit code {process.exitcode}", peak)
        if tried is None:
            tried = Tried(next_seed, "hang", f"stuck for more than {STUCK} s", peak)
        yield tried
        if tried.outcome == "crash" or tried.said.startswith("stuck"):
            return
        next_seed, peak = max(tried.seed + 1, seeds.start), tried.peak


def main() -> int:
    """Fuzzes the requested kinds of files; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=readers.KINDS, action="append")
    flags = parser.parse_args()
    seeds, total = range(flags.seed, flags.seed + flags.number), Tally()
    print(HEADER, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as template:
        with contextlib.redirect_stderr(io.StringIO()):
            samples.make(Path(template))
        for name in flags.kind or readers.KINDS:
            tally, before = Tally(), time.monotonic()
            for tried in _tried(name, Path(template), seeds):
                if tried.outcome == "whole":
                    tally.before = tally.peak = tried.peak
                else:
                    tally.add(tried)
                    total.add(tried)
            print(tally.row(name, len(seeds), time.monotonic() - before), flush=True)
            for tried in tally.wrong[:5]:
                print(f"  --kind '{name}' --seed {tried.seed} --number 1\n{tried.said}")
    number = total.counts.total()
    total.before = total.peak
    print(total.row("all", number, time.monotonic() - began))
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
