"""Every kind of file that robomtl reads, and what reads it; see ``scripts/fuzz.py``."""

import contextlib
import hashlib
import io
import json
import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import foreign_sets
import mutations
import numpy as np

import robomtl
from robomtl import policy_messages
from robomtl.actor import TaskInfo
from robomtl.agent import PolicyAgent
from robomtl.camera import Camera
from robomtl.cli.main import _EXPECTED
from robomtl.cli.tables import show
from robomtl.cost import Cost
from robomtl.demonstrations import kept_frames
from robomtl.demonstrations.staging import Staging
from robomtl.envs.points import PointsSuite
from robomtl.evaluation import Results, video
from robomtl.evaluation.instructions import tell
from robomtl.evaluation.journal import Done, Session, open_growing
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.table import success_table
from robomtl.evaluation.trials import plan
from robomtl.experiments.adapt.family import find_family
from robomtl.experiments.adapt.train_missing import recorded
from robomtl.experiments.adapt.tuning import read_config
from robomtl.experiments.evaluation_report import write_report
from robomtl.experiments.lifelong.streaming import read_outcomes
from robomtl.experiments.multitask.affinities import (
    Kept,
    Measured,
    affinity_of,
    summed_up,
)
from robomtl.experiments.multitask.learning import noted
from robomtl.experiments.probe.feature_cells import FeatureCell
from robomtl.experiments.probe.feature_findings import feature_findings
from robomtl.experiments.resumed_evaluation import resume_evaluation
from robomtl.policies.rt2 import RT2Config
from robomtl.recipe_run import request_of
from robomtl.recipes import RECIPES
from robomtl.request import claimed, plain
from robomtl.simulators.environment import ENVIRONMENTS
from robomtl.training.conflicts import History
from robomtl.training.learned_mixture import read_mixture
from robomtl.training.text_cotraining import read_texts
from robomtl.untrusted import converted, read_json

SUITE = PointsSuite(variant="MT4", horizon=20)
PICTURED = PointsSuite(variant="MT4", horizon=20, images=16)
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
    data = _collected(SUITE, folder / "data", 2)
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
        "mixture": {"groups": [{"task": "a", "data": 0, "first": 0.5, "learned": 0.7}]},
        "seconds": {"seconds": 1.5},
        "camera": plain(Camera()),
        "recipe": {**request_of(RECIPES["mt10-state"]), "seed": 0},
        "outcomes": {"outcomes": [{"success": True, "length": 3}] * 2},
        "features": _MEASURED,
    }.items():
        (plans / f"{name}.json").write_text(json.dumps(value))
    _further(folder)


_ERRORS = {"a": {"hand": [[0.1, 0.2], [1.0, 1.0]]}, "b": {"hand": [[0.1], [2.0]]}}
_MEASURED = {"errors": {"trunk": _ERRORS}, "hits": {"training": [[1, 0], [1, 1]]}}


def _further(folder: Path) -> None:
    """Files that other commands leave: pictures, collections, texts, simulators."""
    _collected(PICTURED, folder / "pictured", 1)
    foreign_sets.lerobot(folder / "foreign/video", images="video")
    with mock.patch.object(Staging, "fresh_folder", side_effect=KeyboardInterrupt):
        with contextlib.suppress(KeyboardInterrupt):
            _collect_on(folder)
    (folder / "texts.txt").write_text("one\ntwo\n")
    lines = [{"question": "Where?", "answer": "Here."}, {"answer": "Yes."}]
    foreign_sets.write_lines(folder / "texts.jsonl", lines)
    model = folder / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model_type": "llama", "vocab": 9}))
    for name in ("model.safetensors", "tokenizer.json"):
        (model / name).write_bytes(b"0")
    made = folder / "simulators/libero"
    made.mkdir(parents=True)
    package = {"name": "numpy", "version": "1.0", "hashes": {"sha256": "0"}}
    record = {"python": "3.11.7", "requirements": ["numpy"], "packages": [package]}
    (made / "installed.json").write_text(json.dumps(record))
    observation = {"state": np.zeros(3, np.float32), "prompt": "go", "t": [1, 2.5]}
    (folder / "message.bin").write_bytes(policy_messages.pack(observation))


def _collected(suite: PointsSuite, folder: Path, episodes: int):
    """Demonstrations, collected in this process."""
    config = robomtl.CollectionConfig(episodes=episodes)
    compute = robomtl.Compute(executor=Inline())
    return robomtl.collect(suite, folder, config=config, compute=compute)


def _train(data, folder, start=None):
    return robomtl.train(
        data,
        out=folder,
        start=start,
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


def _start(folder: Path) -> None:
    """Trains from the weights of another run."""
    _train(robomtl.Demonstrations(folder / "data"), folder / "new", folder / "run")


def _pictures(folder: Path) -> None:
    found = robomtl.Demonstrations(folder / "pictured", observe=("top",))
    _ = dict(found.columns), found.fingerprint


def _cache(folder: Path) -> None:
    """Fills the cache of frames, as if they did not fit in memory."""
    found = robomtl.Demonstrations(folder / "data")
    _ = found.state[:], found.action[:]


@contextlib.contextmanager
def _cached(folder: Path):
    """Keeps the cache in a folder, and frames in the cache."""
    there = {
        "ROBOMTL_CACHE": str(folder / "cache"),
        "ROBOMTL_SIMULATORS": str(folder / "simulators"),
    }
    with mock.patch.dict(os.environ, there), mock.patch.object(kept_frames, "LIMIT", 0):
        yield


def _from_cache(folder: Path) -> None:
    with _cached(folder):
        _cache(folder)


def _collect_on(folder: Path) -> None:
    _collected(PICTURED, folder / "collecting", 1)


def _recipe(folder: Path) -> None:
    request = {**request_of(RECIPES["mt10-state"]), "seed": 0}
    finished = [folder / "run" / "policy.json"]
    with claimed(folder / "plans/recipe.json", request, finished=finished):
        pass


def _camera(folder: Path) -> None:
    video.claim_camera(folder / "plans", Camera())


def _simulator(folder: Path) -> None:
    with _cached(folder):
        libero = ENVIRONMENTS.get("libero")
        _ = libero.versions, libero.record.fits(libero)


def _mixture(folder: Path) -> None:
    _ = read_mixture(folder / "plans").factors


def _features(folder: Path) -> None:
    value = read_json(folder / "plans/features.json", dict[str, Any])
    cells = [
        FeatureCell(run="r", of="r", objective="x", seed=0, weights=weights, trials=())
        for weights in ("trained", "random")
    ]
    there = [_MEASURED, value]
    finished = [
        (cell, Done([], measured=each)) for cell, each in zip(cells, there, strict=True)
    ]
    feature_findings("points", finished)


def _imported_whole(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        robomtl.import_data(folder / "foreign" / name, folder / "imported")

    return read


def _imported(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        robomtl.check_source(folder / "foreign" / name)

    return read


@dataclass(frozen=True)
class Kind:
    """A kind of file."""

    file: str
    """A file of it, in the folder that ``make`` fills; a pattern, of which the first."""
    read: Callable[[Path], object]
    """Reads it, in such a folder."""
    prepare: Callable[[Path], object] = str
    """Makes it in such a folder, where it depends on where the folder lies."""


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
    "lerobot: tasks": Kind("foreign/lerobot/meta/tasks.jsonl", _imported("lerobot")),
    "lerobot: frames": Kind(
        "foreign/lerobot/data/chunk-000/*0.parquet", _imported_whole("lerobot")
    ),
    "lerobot: video": Kind("foreign/video/videos/*/*/*0.mp4", _imported_whole("video")),
    "data: video": Kind("pictured/videos/*/*/*.mp4", _pictures),
    "cache: frames": Kind("cache/frames/*/frames.bin", _from_cache, _from_cache),
    "cache: episodes": Kind("cache/frames/*/*.parquet", _from_cache, _from_cache),
    "cache: filled": Kind("cache/frames/*/filled.txt", _from_cache, _from_cache),
    "collection: plan": Kind("collecting/.collecting/plan.json", _collect_on),
    "collection: block": Kind("collecting/.collecting/task-*/*.npz", _collect_on),
    "card, started from": Kind("run/policy.json", _start),
    "weights, started from": Kind("run/policy.safetensors", _start),
    "recipe": Kind("plans/recipe.json", _recipe),
    "camera of videos": Kind("plans/camera.json", _camera),
    "learned mixture": Kind("plans/mixture.json", _mixture),
    "time of training": Kind(
        "plans/seconds.json", lambda folder: noted(folder / "plans/seconds.json", 0)
    ),
    "outcomes of a stage": Kind(
        "plans/outcomes.json", lambda f: read_outcomes(f / "plans/outcomes.json", 2)
    ),
    "measured features": Kind("plans/features.json", _features),
    "texts": Kind("texts.txt", lambda folder: read_texts(str(folder / "texts.txt"))),
    "questions": Kind("texts.jsonl", lambda f: read_texts(str(f / "texts.jsonl"))),
    "language model": Kind(
        "model/config.json", lambda f: RT2Config(language_model=str(f / "model"))
    ),
    "simulator": Kind("simulators/libero/installed.json", _simulator),
    "message to a server": Kind(
        "message.bin",
        lambda f: policy_messages.unpack((f / "message.bin").read_bytes()),
    ),
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
    hidden = io.StringIO()
    with contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
        kind.prepare(folder)
    file = sorted(folder.glob(kind.file))[0]
    mutations.write(file, Random(f"{name} {seed}"))
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
