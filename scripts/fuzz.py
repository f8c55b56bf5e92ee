#!/usr/bin/env python
"""Reads mutated files of every kind, and says where anything but a sentence came out.

    python scripts/fuzz.py                     # 300 mutations of every kind of file
    python scripts/fuzz.py --kind card --seed 7 --number 1000

A mutation passes where it is read, or refused by an error that the command line shows as
a sentence, within 20 s and 1 GB more than the interpreter had, and nothing is written
beside the folder. Any other is listed with its seed.
"""

import argparse
import contextlib
import io
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import readers  # pyright: ignore[reportMissingImports]

LIMIT = 20  # [s] For a mutation.
MEMORY = 10**9  # [bytes] More than the interpreter has once everything is imported.


def _virtual() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _late(*_: object) -> None:
    raise TimeoutError(f"still not read after {LIMIT} s")


def _work(name: str, template: Path, seeds: range) -> list[tuple[int, str]]:
    """The outcomes of mutations that did not pass, in its own process."""
    found: list[tuple[int, str]] = []
    with tempfile.TemporaryDirectory() as beside:
        folder = Path(beside) / "box"
        readers.fresh(template, folder)
        with contextlib.redirect_stdout(io.StringIO()):
            readers.KINDS[name].read(folder)  # Whatever is loaded on the way.
        signal.signal(signal.SIGALRM, _late)
        resource.setrlimit(resource.RLIMIT_AS, (_virtual() + MEMORY,) * 2)  # pyright: ignore[reportArgumentType]
        for seed in seeds:
            readers.fresh(template, folder)
            signal.alarm(LIMIT)
            outcome = readers.attempt(name, folder, seed)
            signal.alarm(0)
            stray = sorted(p.name for p in Path(beside).iterdir() if p != folder)
            if stray:
                outcome = f"written outside: {stray}"
            if outcome != "refused":
                found.append((seed, outcome))
    return found


def main() -> int:
    """Fuzzes as the arguments say; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=readers.KINDS, action="append")
    flags = parser.parse_args()
    seeds, failed = range(flags.seed, flags.seed + flags.number), 0
    with tempfile.TemporaryDirectory() as template:
        readers.make(Path(template))
        spawn = multiprocessing.get_context("spawn")
        for name in flags.kind or readers.KINDS:
            before = time.monotonic()
            with spawn.Pool(1) as pool:
                found = pool.apply(_work, (name, Path(template), seeds))
            bad = [(seed, outcome) for seed, outcome in found if outcome != "read"]
            read = len(found) - len(bad)
            print(
                f"{name:<18} {flags.number} mutations: {read} read,"
                f" {flags.number - len(found)} refused, {len(bad)} wrong"
                f" ({time.monotonic() - before:.0f} s)",
                flush=True,
            )
            for seed, outcome in bad[:5]:
                print(f"  --kind '{name}' --seed {seed} --number 1\n{outcome}")
            failed += len(bad)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
