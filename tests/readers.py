"""Readers of every kind of file that robomtl reads; see ``scripts/fuzz.py``."""

import contextlib
import hashlib
import importlib
import io
import json
import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple
from unittest import mock

import hub as stand_in
import mutations
import numpy as np
import pytest
import small_timm
from samples import (
    MEASURED,
    PICTURED,
    SUITE,
    Inline,
    cached,
    collected,
    experiment,
    see,
    talk,
    train,
)

import robomtl
from robomtl.acting import policy_messages
from robomtl.acting.actor import TaskInfo
from robomtl.acting.agent import PolicyAgent
from robomtl.acting.policy_session import PolicySession
from robomtl.camera import Camera
from robomtl.cli.main import _EXPECTED, _is_bug
from robomtl.cli.tables import show
from robomtl.evaluation import Results, video
from robomtl.evaluation.instructions import task_infos_of
from robomtl.evaluation.journal_lines import Done
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
from robomtl.experiments.probe.feature_cells import FeatureCell
from robomtl.experiments.probe.feature_findings import findings_of as feature_findings
from robomtl.experiments.resumed_evaluation import resume_evaluation
from robomtl.files.request import claimed
from robomtl.files.untrusted import converted, read_json
from robomtl.hub.download import pull
from robomtl.importing.pixels import decoded
from robomtl.recipe_run import request_of
from robomtl.recipes import RECIPES
from robomtl.simulators.environment import ENVIRONMENTS
from robomtl.training.conflicts import History
from robomtl.training.elapsed import elapsed_in, noted
from robomtl.training.learned_mixture import read_mixture
from robomtl.training.text_cotraining import read_texts


def _act(folder: Path, name: str = "run") -> None:
    """Loads a policy, and lets it act once."""
    agent = PolicyAgent(folder / name)
    agent.check(SUITE)
    actor = agent.load(SUITE)
    trials = plan(SUITE, episodes=1)[:2]
    actor.start(trials, [TaskInfo(trial.task, "go there") for trial in trials])
    state = {"state": np.zeros(agent.card.spec.state, np.float32)}
    actor([state, state], np.ones(2, bool))


def _act_with_hash(folder: Path, name: str = "run") -> None:
    """Loads a policy after its card was given the hash of the existing weights."""
    path = folder / name / "policy.json"
    digest = hashlib.sha256((folder / name / "policy.safetensors").read_bytes())
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"weights": digest.hexdigest()})
    )
    _act(folder, name)


def _go_on(folder: Path) -> None:
    train(robomtl.Demonstrations(folder / "data"), folder / "half")


def _requests(folder: Path) -> None:
    """Calls that read the record of a run."""
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
    journal, _ = experiment(folder)
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
    task_infos_of(
        SUITE, plan(SUITE, episodes=2), str(folder / "plans" / "wordings.json")
    )


def _data(folder: Path) -> None:
    found = robomtl.Demonstrations(folder / "data")
    _ = found.state, found.action, found.episodes, found.failures, found.fingerprint


def _start(folder: Path) -> None:
    """Trains from the weights of another run."""
    train(robomtl.Demonstrations(folder / "data"), folder / "new", folder / "run")


def _pictures(folder: Path) -> None:
    found = robomtl.Demonstrations(folder / "pictured", observe=("top",))
    _ = dict(found.columns), found.fingerprint


def _cache(folder: Path) -> None:
    """Fills the cache of frames, as for frames that do not fit in memory."""
    found = robomtl.Demonstrations(folder / "data")
    _ = found.state[:], found.action[:]


def _from_cache(folder: Path) -> None:
    with cached(folder):
        _cache(folder)


def _collect_on(folder: Path) -> None:
    collected(PICTURED, folder / "collecting", 1)


def _recipe(folder: Path) -> None:
    request = {**request_of(RECIPES["mt10-state"]), "seed": 0}
    finished = [folder / "run" / "policy.json"]
    with claimed(folder / "plans/recipe.json", request, finished=finished):
        pass


def _camera(folder: Path) -> None:
    video.claim_camera(folder / "plans", Camera())


def _simulator(folder: Path) -> None:
    with cached(folder):
        libero = ENVIRONMENTS.get("libero")
        _ = libero.versions, libero.record.fits(libero)


def _mixture(folder: Path) -> None:
    _ = read_mixture(folder / "plans").factors


def _features(folder: Path) -> None:
    value = read_json(folder / "plans/features.json", dict[str, Any])
    cells = [
        FeatureCell(
            run="r", run_label="r", objective="x", seed=0, weights=weights, trials=()
        )
        for weights in ("trained", "random")
    ]
    there = [MEASURED, value]
    finished = [
        (cell, Done([], measured=each)) for cell, each in zip(cells, there, strict=True)
    ]
    feature_findings("points", finished)


def _talk(folder: Path) -> None:
    """Trains from a language model in a folder."""
    talk(folder, folder / "new")


def _say(folder: Path) -> None:
    """Loads a policy that is a language model, and lets it act."""
    _act(folder, "talker")


def _see(folder: Path) -> None:
    """Trains with a pretrained image encoder."""
    with pytest.MonkeyPatch.context() as patch:
        small_timm.stand_in(patch)
        see(folder, folder / "new")


def _pull(folder: Path) -> None:
    """Downloads a policy from a hub."""
    with stand_in.running() as there:
        there.put(
            "me/run", {p.name: p.read_bytes() for p in (folder / "run").glob("*.*")}
        )
        there.described = (folder / "hub.json").read_bytes()
        with mock.patch.dict(os.environ, {"HF_ENDPOINT": there.address}):
            pull("me/run", out=folder / "pulled")


def _serve(folder: Path) -> None:
    """Answers a client."""
    message = policy_messages.unpack((folder / "client.msgpack").read_bytes())
    PolicySession(PolicyAgent(folder / "run").card).requests(message)


def _import(folder: Path) -> None:
    """Imports a data set, by the command line."""
    words = [str(folder / "foreign/lerobot"), "--out", str(folder / "own")]
    importlib.import_module("robomtl.cli.import").main(words)


def _draw(folder: Path) -> None:
    """Adds pictures to a data set."""
    compute = robomtl.Compute(executor=Inline())
    options = {"images": 16}
    robomtl.add_cameras(
        folder / "data", folder / "seen", options=options, compute=compute
    )


def _picture(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        decoded((folder / "foreign" / name).read_bytes(), name, (32, 48, 3))

    return read


def _import_3(folder: Path) -> None:
    robomtl.check_source(folder / "data")


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
    "time before a stop": Kind(
        "plans/elapsed.json", lambda folder: elapsed_in(folder / "plans")
    ),
    "outcomes of a stage": Kind(
        "plans/outcomes.json", lambda f: read_outcomes(f / "plans/outcomes.json", 2)
    ),
    "measured features": Kind("plans/features.json", _features),
    "texts": Kind("texts.txt", lambda folder: read_texts(str(folder / "texts.txt"))),
    "questions": Kind("texts.jsonl", lambda f: read_texts(str(f / "texts.jsonl"))),
    "language model": Kind("model/config.json", _talk),
    "tokeniser": Kind("model/tokenizer.json", _talk),
    "weights of a language model": Kind("model/model.safetensors", _talk),
    "card of a language model": Kind("talker/policy.json", _say),
    "pre-trained encoder": Kind("vision.safetensors", _see),
    "answer of a hub": Kind("hub.json", _pull),
    "import: request": Kind("own/meta/import.json", _import, _import),
    "import: report": Kind("own/report.json", _import, _import),
    "data to draw": Kind("data/meta/robomtl.json", _draw),
    "picture: png": Kind("foreign/picture.png", _picture("picture.png")),
    "picture: jpeg": Kind("foreign/picture.jpeg", _picture("picture.jpeg")),
    "libero": Kind("foreign/libero/task_1*.hdf5", _imported("libero")),
    "minari: parquet": Kind("foreign/parquet/data/1/*.parquet", _imported("parquet")),
    "minari: episode": Kind("foreign/arrow/data/1/metadata.json", _imported("arrow")),
    "lerobot 3: info": Kind("data/meta/info.json", _import_3),
    "lerobot 3: tasks": Kind("data/meta/tasks.parquet", _import_3),
    "lerobot 3: episodes": Kind("data/meta/episodes/*/*.parquet", _import_3),
    "lerobot 3: frames": Kind("data/data/*/*.parquet", _import_3),
    "simulator": Kind("simulators/libero/installed.json", _simulator),
    "message to a server": Kind("client.msgpack", _serve),
}


def fresh(template: Path, folder: Path) -> None:
    """Replaces the content of a folder by the files that ``make`` wrote."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)


class LateError(BaseException):
    """A mutated file was not read in time; no reader catches this error."""


class Attempt(NamedTuple):
    """Outcome of reading a mutated file."""

    outcome: Literal["read", "refused", "traceback", "hang"]
    said: str
    """The message, or the traceback."""


def attempt(name: str, folder: Path, seed: int) -> Attempt:
    """Outcome of reading a mutated file.

    Args:
        name: Kind of the file.
        folder: Holds a file of every kind.
        seed: Of the mutation.
    """
    kind, hidden = KINDS[name], io.StringIO()
    with contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
        kind.prepare(folder)
        file = sorted(folder.glob(kind.file))[0]
        mutations.write(file, Random(f"{name} {seed}"))
        try:
            kind.read(folder)
        except LateError:
            return Attempt("hang", traceback.format_exc())
        except _EXPECTED as error:
            if not _is_bug(error):
                return Attempt("refused", str(error))
            return Attempt("traceback", traceback.format_exc())
        except (Exception, SystemExit):
            return Attempt("traceback", traceback.format_exc())
    return Attempt("read", "")
