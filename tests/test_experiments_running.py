"""The framework of experiments: inputs of cells, and files of results."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from test_durable import fill

from robomtl.envs.points import PointsSuite
from robomtl.errors import DiskFullError, GaveUpError
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.rollout import Outcome
from robomtl.execution.executor import InProcess
from robomtl.execution.threads import one_thread
from robomtl.experiments.cells import Cell
from robomtl.experiments.report import Report
from robomtl.experiments.running import run_experiment
from robomtl.files.lock import locked
from robomtl.task import Trial
from robomtl.versions import processor

SUITE = PointsSuite(variant="MT4", horizon=30)


@dataclass(frozen=True, kw_only=True)
class OneCell(Cell):
    """A cell that plays nothing."""

    name: str = "one"

    @property
    def factors(self):
        return {"cell": self.name}


def threads(cell):
    """An outcome of each trial, and how many threads computed it."""
    outcomes = [Outcome(success=True)] * len(cell.trials)
    return Done(outcomes, measured={"threads": torch.get_num_threads()})


def giving_up(cell):
    """Raises the error of a policy whose action is not finite."""
    raise GaveUpError("reach-red: action [nan] is not finite.")


def diverging(cell):
    raise FloatingPointError("The loss is nan.")


@dataclass(frozen=True)
class Threads:
    """An experiment that finds how many threads its cells have."""

    title: str = "Counting"
    growing: tuple[str, ...] = ()
    suite: PointsSuite = SUITE

    played: Callable = threads

    @property
    def play(self):
        return self.played

    def identity(self):
        return {"counted": "threads"}

    def cells(self):
        return [OneCell(trials=(Trial(SUITE.name, "reach-red", 0),))]

    def about(self):
        return {"data": "none"}

    def conclude(self, finished):
        return [done.reason or done.measured["threads"] for _, done in finished]

    def results(self, found, made):
        return {"threads": found, "made": made}

    def report(self, found, made):
        return Report(title="Threads", lead="", sections=[], footer=[])


def test_every_cell_has_one_thread_and_its_processor_is_kept(tmp_path):
    with one_thread():  # Restores the number that other tests have.
        torch.set_num_threads(2)
        assert run_experiment(Threads(), tmp_path, InProcess()) == [1]
    *_, line = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert json.loads(line)["processor"] == processor()
    assert pq.read_table(tmp_path / "cells.parquet")["cell"].to_pylist() == ["one"]


@pytest.mark.parametrize("play", [giving_up, diverging])
def test_a_cell_that_diverges_or_gives_up_has_errors_and_is_not_tried_again(
    play, tmp_path
):
    for _ in range(2):  # The second reads the journal.
        (reason,) = run_experiment(Threads(played=play), tmp_path, InProcess())
        assert "is nan" in reason or "[nan] is not finite" in reason
    *_, line = (tmp_path / "journal.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert [each["error"] for each in entry["outcomes"]] == [reason]
    assert entry["outcomes"][0]["success"] is None
    assert (tmp_path / "journal.jsonl").read_text().count('"chunk"') == 2


def test_a_finished_experiment_is_read_from_a_read_only_disk(tmp_path, read_only):
    found = run_experiment(Threads(), tmp_path, InProcess())
    read_only(tmp_path)
    with locked(tmp_path):
        assert run_experiment(Threads(), tmp_path, InProcess()) == found


@dataclass(frozen=True)
class Filling(Threads):
    """An experiment of three cells, in the second of which something else fills a disk."""

    disk: Path = Path()

    @property
    def play(self):
        return self.filling

    def filling(self, cell):
        self.played.append(cell.name)
        if cell.name == "two":
            fill(self.disk)
        outcomes = [Outcome(success=True)] * len(cell.trials)
        return Done(outcomes, measured={"threads": 1})

    def cells(self):
        trials = tuple(Trial(SUITE.name, "reach-red", each) for each in range(100))
        return [OneCell(name=name, trials=trials) for name in ("one", "two", "three")]


def test_a_cell_that_is_finished_when_the_disk_is_full_is_kept(small_disk):
    experiment = Filling(disk=small_disk, played=[])
    with pytest.raises(DiskFullError, match="Finished work is kept; free some space"):
        run_experiment(experiment, small_disk / "run", InProcess())
    assert experiment.played == ["one", "two"]
    (small_disk / "other").unlink()
    run_experiment(experiment, small_disk / "run", InProcess())
    assert experiment.played == ["one", "two", "three"]


def test_results_say_what_the_experiment_knows_of_its_run_then_the_rest(tmp_path):
    run_experiment(Threads(), tmp_path, InProcess())
    made = json.loads((tmp_path / "results.json").read_text())["made"]
    assert [*made][:2] == ["data", "options"]
    assert made["data"] == "none"
    assert made["workers"] == 1
