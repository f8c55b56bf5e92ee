"""Evaluations whose processes are killed at any moment end with the same results."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from wobbling import installed

from robomtl.cli.main import main

pytestmark = pytest.mark.slow

EPISODES = 40  # 24 chunks for 6 tasks.
CHUNKS = 6 * EPISODES // 10
ROBOMTL = "import sys; from robomtl.cli.main import main; sys.exit(main())"
BEGIN = f"expert --suite shaky/MT6 --horizon 16 --episodes {EPISODES} --out"


@dataclass
class Evaluation:
    """A `robomtl evaluate` that is started as often as it dies."""

    out: Path
    environment: dict[str, str]
    process: subprocess.Popen | None = None
    landed: list[str] = field(default_factory=list)

    def start(self, words):
        command = [sys.executable, "-c", ROBOMTL, "evaluate", *words.split()]
        self.process = subprocess.Popen(
            [*command, str(self.out)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def running(self):
        return self.process is not None and self.process.poll() is None

    def finished(self):
        """Number of chunks in the journal."""
        path = self.out / "journal.jsonl"
        return path.read_bytes().count(b'\n{"chunk"') if path.exists() else 0

    def written(self):
        """Files other than the journal, and their times of modification."""
        names = [path for path in self.out.glob("*") if path.name != "journal.jsonl"]
        return {(path.name, modified(path)) for path in names if path.name != ".lock"}

    def wait(self, condition):
        deadline = time.monotonic() + 300
        while not condition() and self.running():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def kill_parent(self, moment):
        if self.running():
            self.process.kill()
            self.landed.append(f"parent {moment}")
        self.process.wait()

    def kill_worker(self, generator):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        workers = children.read_text().split() if self.running() else []
        if workers:
            os.kill(int(generator.choice(workers)), signal.SIGKILL)
            self.landed.append("worker")

    def finish(self):
        """Exit status and what was said on standard error."""
        _, said = self.process.communicate(timeout=300)
        return self.process.returncode, said


def modified(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # Renamed meanwhile.
        return 0


def disturb(evaluation, moment, generator):
    """Waits for the moment, and kills."""
    if moment == "starts":
        time.sleep(generator.uniform(0, 2.5))
    elif moment == "writes":
        before = evaluation.written()
        evaluation.wait(lambda: evaluation.finished() == CHUNKS)
        evaluation.wait(lambda: evaluation.written() != before)
        time.sleep(generator.uniform(0, 0.1))
    else:
        enough = evaluation.finished() + generator.randint(1, 3)
        evaluation.wait(lambda: evaluation.finished() >= enough)
        time.sleep(generator.uniform(0, 0.2))
    if moment == "works":
        evaluation.kill_worker(generator)
    else:
        evaluation.kill_parent(moment)


def table(out):
    return pq.read_table(out / "trials.parquet").drop_columns(["seconds"])


@pytest.mark.usefixtures("forked_workers")
def test_five_kills_of_workers_and_parents_change_nothing(tmp_path, monkeypatch):
    environment = installed(tmp_path / "plug-in")
    monkeypatch.syspath_prepend(tmp_path / "plug-in")
    whole = tmp_path / "whole"
    assert main(["evaluate", *BEGIN.split(), str(whole)]) == 0
    outcomes = table(whole)["success"].to_pylist()
    assert 0.2 < sum(outcomes) / len(outcomes) < 0.9

    generator = random.Random(7)
    moments = ["starts", "plays", "works"]
    generator.shuffle(moments)
    killed = Evaluation(tmp_path / "killed", {**environment, "SHAKY_PAUSE": "0.002"})
    for landed, moment in enumerate([*moments, *["writes"] * 2]):
        while len(killed.landed) == landed:
            if not killed.running():
                begun = killed.finished() and generator.random() < 0.5
                killed.start("--resume" if begun else BEGIN)
            disturb(killed, moment, generator)
    if not killed.running():
        killed.start(BEGIN)

    status, said = killed.finish()
    assert status == 0, said
    assert table(killed.out).equals(table(whole))
    assert {path.name for path in killed.out.iterdir()} == {
        path.name for path in whole.iterdir()
    }
