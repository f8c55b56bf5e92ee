"""Intact files of every kind that robomtl reads; see ``readers.py``."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import foreign_sets
import language_models
import numpy as np
import small_timm
from safetensors.torch import save_file

import robomtl
from robomtl.acting import policy_messages
from robomtl.acting.agent import PolicyAgent
from robomtl.camera import Camera
from robomtl.cost import Cost
from robomtl.demonstrations import kept_frames
from robomtl.demonstrations.staging import Staging
from robomtl.envs.points import PointsSuite
from robomtl.evaluation.journal import open_growing
from robomtl.evaluation.journal_lines import Done, Session
from robomtl.evaluation.rollout import Outcome
from robomtl.files.request import plain
from robomtl.layers.vision import Vision
from robomtl.recipe_run import request_of
from robomtl.recipes import RECIPES

SUITE = PointsSuite(variant="MT4", horizon=20)
PICTURED = PointsSuite(variant="MT4", horizon=20, images=16)
NAMES = tuple(task.name for task in SUITE.train_tasks)
CONFIG = robomtl.TrainConfig(
    steps=3, batch_size=8, save_every=2, log_every=3, threads=1, precision="float32"
)
SMALL = {"width": 8, "task_width": 8, "blocks": 1}
_ERRORS = {"a": {"hand": [[0.1, 0.2], [1.0, 1.0]]}, "b": {"hand": [[0.1], [2.0]]}}
MEASURED = {"errors": {"trunk": _ERRORS}, "hits": {"training": [[1, 0], [1, 1]]}}


class Inline:
    """Runs chunks in this process."""

    workers = 1

    def map(self, work, items, kind=type):
        """See ``Executor``."""
        for index, item in enumerate(items):
            yield index, work(item)


def make(folder: Path) -> None:
    """Writes a file of every kind, each at the path of its reader."""
    data = collected(SUITE, folder / "data", 2)
    for name in ("run", "half"):
        train(data, folder / name)
    (folder / "half" / "policy.json").unlink()
    robomtl.evaluate(
        PolicyAgent(folder / "run"),
        SUITE,
        out=folder / "evaluation",
        config=robomtl.EvaluationConfig(episodes=2),
        compute=robomtl.Compute(executor=Inline()),
    )
    _make_experiment(folder)
    _make_plans(folder / "plans")
    _make_foreign(folder / "foreign")
    _make_pictures(folder)
    language_models.save(folder / "model")
    talk(folder, folder / "talker")
    _make_vision(folder / "vision.safetensors")
    _make_others(folder)


def _make_experiment(folder: Path) -> None:
    journal, places = experiment(folder)
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


def _make_plans(plans: Path) -> None:
    plans.mkdir()
    measured = {"tasks": ["a", "b"], "steps": [1], "affinity": [[[1, 0.5], [0.5, 1]]]}
    for name, value in {
        "affinity": measured,
        "conflicts": {"tasks": ["a"], "steps": [1, 2], "cosines": [[[1.0]], [[1.0]]]},
        "config": {"settings": {"finetune": {"steps": 30}}, "tried": {}},
        "wordings": {name: ["go there"] for name in NAMES},
        "mixture": {"groups": [{"task": "a", "data": 0, "first": 0.5, "learned": 0.7}]},
        "seconds": {"seconds": 1.5},
        "elapsed": {"seconds": 1.5},
        "camera": plain(Camera()),
        "recipe": {**request_of(RECIPES["mt10-state"]), "seed": 0},
        "outcomes": {"outcomes": [{"success": True, "length": 3}] * 2},
        "features": MEASURED,
    }.items():
        (plans / f"{name}.json").write_text(json.dumps(value))


def _make_foreign(foreign: Path) -> None:
    """Data sets of other tools, and a picture in their format."""
    foreign_sets.lerobot(foreign / "lerobot", images="image")
    foreign_sets.lerobot(foreign / "video", images="video")
    foreign_sets.robomimic(foreign / "can.hdf5")
    foreign_sets.libero(foreign / "libero")
    foreign_sets.minari(foreign / "minari")
    for storage in ("arrow", "parquet"):
        foreign_sets.minari(foreign / storage, storage=storage)
    for kind in ("PNG", "JPEG"):
        picture = foreign_sets.encoded(foreign_sets.frames(0).images[0], kind)
        (foreign / f"picture.{kind.lower()}").write_bytes(picture)


def _make_pictures(folder: Path) -> None:
    """Data with pictures, and one whose collection was interrupted."""
    collected(PICTURED, folder / "pictured", 1)
    with mock.patch.object(Staging, "fresh_folder", side_effect=KeyboardInterrupt):
        with contextlib.suppress(KeyboardInterrupt):
            collected(PICTURED, folder / "collecting", 1)


def _make_vision(path: Path) -> None:
    """Pretrained weights of an image encoder."""
    save_file(small_timm.Small().state_dict(), path)


def _make_others(folder: Path) -> None:
    """Texts, the record of a simulator, a client's message, a hub's answer."""
    (folder / "texts.txt").write_text("one\ntwo\n")
    lines = [{"question": "Where?", "answer": "Here."}, {"answer": "Yes."}]
    foreign_sets.write_lines(folder / "texts.jsonl", lines)
    made = folder / "simulators/libero"
    made.mkdir(parents=True)
    package = {"name": "numpy", "version": "1.0", "hashes": {"sha256": "0"}}
    record = {"python": "3.11.7", "requirements": ["numpy"], "packages": [package]}
    (made / "installed.json").write_text(json.dumps(record))
    size = PolicyAgent(folder / "run").card.spec.state
    message = {"state": np.zeros(size, np.float32), "task": NAMES[0], "seed": 3}
    (folder / "client.msgpack").write_bytes(policy_messages.pack(message))
    names = ("policy.json", "policy.safetensors", "run.json")
    sizes = {name: (folder / "run" / name).stat().st_size for name in names}
    siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
    answer = {"id": "me/run", "sha": f"{1:040x}", "siblings": siblings}
    (folder / "hub.json").write_text(json.dumps(answer))


def collected(suite: PointsSuite, folder: Path, episodes: int):
    """Demonstrations, collected in this process."""
    config = robomtl.CollectionConfig(episodes=episodes)
    compute = robomtl.Compute(executor=Inline())
    return robomtl.collect(suite, folder, config=config, compute=compute)


def train(data, folder: Path, start: Path | None = None):
    """A small policy, trained for three steps."""
    return robomtl.train(
        data,
        out=folder,
        start=start,
        policy="film",
        policy_config=SMALL,
        conditioning=("one_hot",),
        config=CONFIG,
    )


def talk(folder: Path, out: Path):
    """Files of a policy that is a language model."""
    return robomtl.train(
        robomtl.Demonstrations(folder / "data"),
        out=out,
        policy="rt2",
        policy_config={"language_model": str(folder / "model")},
        conditioning=("language",),
        config=CONFIG,
    )


def see(folder: Path, out: Path):
    """Files of a policy with a pretrained image encoder."""
    weights = str(folder / "vision.safetensors")
    vision = Vision(encoder="timm:small", features=16, weights=weights, frozen=True)
    return robomtl.train(
        robomtl.Demonstrations(folder / "pictured", observe=("top",)),
        out=out,
        policy="film",
        policy_config=SMALL,
        conditioning=("one_hot",),
        config=robomtl.TrainConfig(
            steps=1, batch_size=8, threads=1, precision="float32", vision=vision
        ),
    )


def experiment(folder: Path):
    """The journal of an experiment."""
    identity = {"suite": "points", "arms": {"x": {}}, "chunks": {"a": 2, "b": 1}}
    path = folder / "experiment" / "journal.jsonl"
    return open_growing(path, identity, growing=("arms",))


@contextlib.contextmanager
def cached(folder: Path) -> Iterator[None]:
    """Keeps the cache in a folder, and frames in the cache."""
    there = {
        "ROBOMTL_CACHE": str(folder / "cache"),
        "ROBOMTL_SIMULATORS": str(folder / "simulators"),
    }
    with mock.patch.dict(os.environ, there), mock.patch.object(kept_frames, "LIMIT", 0):
        yield
