"""Every kind of file that robomtl reads, and what reads it; see ``scripts/fuzz.py``."""

import contextlib
import hashlib
import io
import json
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import foreign_sets
import mutations
import numpy as np

import robomtl
from robomtl.actor import TaskInfo
from robomtl.agent import PolicyAgent
from robomtl.cli.main import _EXPECTED
from robomtl.cli.tables import show
from robomtl.cost import Cost
from robomtl.envs.points import PointsSuite
from robomtl.evaluation import Results
from robomtl.evaluation.instructions import tell
from robomtl.evaluation.journal import Done, Session, open_growing
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.table import success_table
from robomtl.evaluation.trials import plan
from robomtl.experiments.adapt.family import find_family
from robomtl.experiments.adapt.train_missing import recorded
from robomtl.experiments.adapt.tuning import read_config
from robomtl.experiments.evaluation_report import write_report
from robomtl.experiments.multitask.affinities import (
    Kept,
    Measured,
    affinity_of,
    summed_up,
)
from robomtl.experiments.resumed_evaluation import resume_evaluation
from robomtl.training.conflicts import History
from robomtl.untrusted import converted, read_json

SUITE = PointsSuite(variant="MT4", horizon=20)
NAMES = tuple(task.name for task in SUITE.train_tasks)
CONFIG = robomtl.TrainConfig(
    steps=3, batch_size=8, save_every=2, log_every=3, threads=1, precision="float32"
)
SMALL = {"width": 8, "task_width": 8, "blocks": 1}


class Inline:
    """Runs chunks in this process."""

    workers = 1

    def map(self, work, items, kind=type):
        """See ``Executor``."""
        for index, item in enumerate(items):
            yield index, work(item)


def make(folder: Path) -> None:
    """Writes a file of every kind, each where its reader looks for it."""
    data = robomtl.collect(
        SUITE,
        folder / "data",
        config=robomtl.CollectionConfig(episodes=2),
        compute=robomtl.Compute(workers=1),
    )
    for name in ("run", "half"):
        _train(data, folder / name)
    (folder / "half" / "policy.json").unlink()
    robomtl.evaluate(
        PolicyAgent(folder / "run"),
        SUITE,
        out=folder / "evaluation",
        config=robomtl.EvaluationConfig(episodes=2),
        compute=robomtl.Compute(executor=Inline()),
    )
    journal, places = _experiment(folder)
    journal.begin(Session("a processor", 1))
    done = Done(
        [Outcome(success=True, length=3)] * 2,
        cost=Cost(steps=1, samples=2, parameters=3, seconds=0.5),
        measured={
            "tasks": ["a", "b"],
            "affinity": [[1.0, 0.5], [0.5, 1.0]],
            "count": 1,
        },
    )
    journal.append(places["a"], done, 1.0)
    foreign_sets.lerobot(folder / "foreign/lerobot", images="image")
    foreign_sets.robomimic(folder / "foreign/can.hdf5")
    foreign_sets.minari(folder / "foreign/minari")
    foreign_sets.minari(folder / "foreign/arrow", storage="arrow")
    plans = folder / "plans"
    plans.mkdir()
    measured = {"tasks": ["a", "b"], "steps": [1], "affinity": [[[1, 0.5], [0.5, 1]]]}
    for name, value in {
        "affinity": measured,
        "conflicts": {"tasks": ["a"], "steps": [1, 2], "cosines": [[[1.0]], [[1.0]]]},
        "config": {"settings": {"finetune": {"steps": 30}}, "tried": {}},
        "wordings": {name: ["go there"] for name in NAMES},
    }.items():
        (plans / f"{name}.json").write_text(json.dumps(value))


def _train(data, folder):
    return robomtl.train(
        data,
        out=folder,
        policy="film",
        policy_config=SMALL,
        conditioning=("one_hot",),
        config=CONFIG,
    )


def _experiment(folder: Path):
    identity = {"suite": "points", "arms": {"x": {}}, "chunks": {"a": 2, "b": 1}}
    path = folder / "experiment" / "journal.jsonl"
    return open_growing(path, identity, growing=("arms",))


def _act(folder: Path) -> None:
    """Loads a policy, and lets it act once."""
    agent = PolicyAgent(folder / "run")
    agent.check(SUITE)
    actor = agent.load(SUITE)
    trials = plan(SUITE, episodes=1)[:2]
    actor.start(trials, [TaskInfo(trial.task, None) for trial in trials])
    state = {"state": np.zeros(agent.card.spec.state, np.float32)}
    actor([state, state], np.ones(2, bool))


def _act_with_hash(folder: Path) -> None:
    """The same with a card that has the hash of the weights that are there."""
    path = folder / "run" / "policy.json"
    digest = hashlib.sha256((folder / "run" / "policy.safetensors").read_bytes())
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"weights": digest.hexdigest()})
    )
    _act(folder)


def _go_on(folder: Path) -> None:
    _train(robomtl.Demonstrations(folder / "data"), folder / "half")


def _requests(folder: Path) -> None:
    """What asks how a run was trained."""
    settings = PolicyAgent(folder / "run").settings
    results = Results.read(folder / "evaluation")
    write_report(folder / "report.html", results, provenance=settings)
    find_family(folder / "run")
    recorded(folder / "run")


def _resume(folder: Path) -> None:
    resume_evaluation(folder / "evaluation", compute=robomtl.Compute(executor=Inline()))


def _results(folder: Path) -> None:
    results = Results.read(folder / "evaluation")
    show(success_table(results))
    write_report(folder / "evaluation" / "report.html", results)


def _cells(folder: Path) -> None:
    journal, _ = _experiment(folder)
    done, where = journal.done.values(), str(journal.path)
    affinity_of(
        [converted(d.measured, Measured, where=where) for d in done if d.measured]
    )


def _affinity(folder: Path) -> None:
    affinity_of([summed_up(read_json(folder / "plans" / "affinity.json", Kept))])


def _conflicts(folder: Path) -> None:
    import torch

    history = History(folder / "plans/conflicts.json", ["a"], name="cosines", step=2)
    history.add(3, torch.ones(1, 1))
    history.write()


def _config(folder: Path) -> None:
    read_config(folder / "plans" / "config.json", {"finetune": "finetune"})


def _wordings(folder: Path) -> None:
    tell(SUITE, plan(SUITE, episodes=2), str(folder / "plans" / "wordings.json"))


def _data(folder: Path) -> None:
    found = robomtl.Demonstrations(folder / "data")
    _ = found.state, found.action, found.episodes, found.failures, found.fingerprint


def _imported(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        robomtl.check_source(folder / "foreign" / name)

    return read


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    file: str
    """A file of it, in the folder that ``make`` fills."""
    read: Callable[[Path], None]
    """Reads it, in such a folder."""


KINDS = {
    "card": Kind("run/policy.json", _act),
    "weights": Kind("run/policy.safetensors", _act_with_hash),
    "training state": Kind("half/training.safetensors", _go_on),
    "request of a run": Kind("half/run.json", _go_on),
    "machine": Kind("half/machine.json", _go_on),
    "request, read": Kind("run/run.json", _requests),
    "journal": Kind("evaluation/journal.jsonl", _resume),
    "journal of cells": Kind("experiment/journal.jsonl", _cells),
    "results": Kind("evaluation/results.json", _results),
    "trials": Kind("evaluation/trials.parquet", _results),
    "affinity": Kind("plans/affinity.json", _affinity),
    "conflicts": Kind("plans/conflicts.json", _conflicts),
    "config": Kind("plans/config.json", _config),
    "wordings": Kind("plans/wordings.json", _wordings),
    "data: info": Kind("data/meta/info.json", _data),
    "data: robomtl": Kind("data/meta/robomtl.json", _data),
    "data: tasks": Kind("data/meta/tasks.parquet", _data),
    "data: episodes": Kind("data/meta/episodes/chunk-000/file-000.parquet", _data),
    "data: frames": Kind("data/data/chunk-000/file-000.parquet", _data),
    "lerobot: info": Kind("foreign/lerobot/meta/info.json", _imported("lerobot")),
    "lerobot: episodes": Kind(
        "foreign/lerobot/meta/episodes.jsonl", _imported("lerobot")
    ),
    "robomimic": Kind("foreign/can.hdf5", _imported("can.hdf5")),
    "minari: metadata": Kind("foreign/minari/data/metadata.json", _imported("minari")),
    "minari: episodes": Kind("foreign/minari/data/main_data.hdf5", _imported("minari")),
    "minari: arrow": Kind("foreign/arrow/data/1/part-0.arrow", _imported("arrow")),
}


def fresh(template: Path, folder: Path) -> None:
    """Copies what ``make`` wrote into a folder, instead of what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)


def attempt(name: str, folder: Path, seed: int) -> str:
    """How a mutation was read: ``read``, ``refused``, or the traceback.

    Args:
        name: Kind of the file.
        folder: Holds a file of every kind.
        seed: Of the mutation.
    """
    kind = KINDS[name]
    mutations.write(folder / kind.file, Random(f"{name} {seed}"))
    hidden = io.StringIO()
    try:
        with contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
            kind.read(folder)
    except TimeoutError:
        return traceback.format_exc()
    except _EXPECTED:
        return "refused"
    except BaseException:
        return traceback.format_exc()
    return "read"
