"""Data sets with pictures and proprioception, and policies that observe them."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from broken_sets import episodes, header
from test_images import CONFIG, SHAPE, seen

import robomtl
from robomtl.acting.actor import TaskInfo
from robomtl.acting.agent import PolicyAgent, check_pictures
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.checkpoint import TrainedPolicy, save
from robomtl.cli.main import main
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.layout import Sizes, usual_video
from robomtl.demonstrations.mixture import Data
from robomtl.demonstrations.redrawing import Played, redrawn
from robomtl.demonstrations.writing import write
from robomtl.errors import InputError, SimulationError
from robomtl.pictures import pictures_of
from robomtl.suites import suite
from robomtl.task import Trial
from robomtl.training import train_run
from robomtl.training.material import spec_for
from robomtl.training.profiles import check_profiles
from robomtl.training.start import Start

pytest.importorskip("av")
pytestmark = pytest.mark.usefixtures("forked_workers")

OWN = {"image.top", "proprioception"}


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set as it is collected from a suite with a camera."""
    folder = tmp_path_factory.mktemp("pictures") / "data"
    sizes = (("image.top", SHAPE), ("proprioception", (2,)))
    parts = [
        each._replace(
            others={"image.top": it.others["top"], "proprioception": each.state[:, :2]}
        )
        for each, it in zip(episodes(), seen(), strict=True)
    ]
    write(folder, header()._replace(sizes=Sizes(3, 2, 20, sizes)), parts)
    (folder / "meta/robomtl.json").unlink()
    return folder


@pytest.fixture(scope="module")
def trained(pictured: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedPolicy:
    run = tmp_path_factory.mktemp("run") / "run"
    data = Demonstrations(pictured)
    config = replace(CONFIG, steps=60)  # Until actions are within [-1, 1].
    return robomtl.train(data, out=run, conditioning=("one_hot",), config=config)


def action(trained: TrainedPolicy, changed: dict[str, Any]) -> Any:
    """A policy's action for an observation with some features changed."""
    observation = {
        "state": np.zeros(3, np.float32),
        "proprioception": np.zeros(2, np.float32),
        "image.top": np.zeros(SHAPE, np.uint8),
    }
    actor = PolicyActor(trained.card, Predictor(trained.policy), suite("points/MT4"))
    task = trained.card.conditioning.tasks[0]
    actor.start([Trial("doors/MT2", task, 0)], [TaskInfo(task, None)])
    return actor([{**observation, **changed}], np.ones(1, np.bool_))


def test_policies_read_pictures_and_proprioception_of_data_that_has_them(
    pictured: Path, trained: TrainedPolicy
) -> None:
    (robot,) = trained.card.spec.embodiments
    assert {*robot.observation} == OWN
    data = Demonstrations(pictured)
    assert {*data.observes} == OWN
    assert data.notes == ()
    assert (pictured / "videos/observation.image.top").is_dir()


def test_no_position_of_an_object_or_a_goal_leaks_into_a_policy_of_pictures(
    trained: TrainedPolicy,
) -> None:
    alone = action(trained, {})
    state = np.full(3, 7, np.float32)
    assert np.array_equal(action(trained, {"state": state}), alone)
    for name, other in (
        ("proprioception", np.ones(2, np.float32)),
        ("image.top", np.full(SHAPE, 200, np.uint8)),
    ):
        assert not np.array_equal(action(trained, {name: other}), alone)


def test_features_are_chosen_on_the_command_line_and_kept_on_resumption(
    pictured: Path, tmp_path: Path
) -> None:
    words = f"train --data {pictured} --out {tmp_path / 'run'} --steps 1 --batch-size 4"
    words += " --conditioning one_hot --precision float32 --threads 1"
    main([*words.split(), "--observe", "state", "image.top"])
    (robot,) = robomtl.load(tmp_path / "run").card.spec.embodiments
    assert {*robot.observation} == {"state", "image.top"}
    for others in (["image.top"], ["state"]):
        assert main([*words.split(), "--observe", *others])
    data = Demonstrations(pictured, observe=("image.top",))
    goal = Conditioning(kinds=("goal",), tasks=data.tasks, goal=(0, 1))
    with pytest.raises(InputError, match="goal from 'state'; features are image.top"):
        spec_for(data, goal)


def test_pictures_drawn_by_another_profile_are_refused_unless_asked_for(
    trained: TrainedPolicy, tmp_path: Path
) -> None:
    save(tmp_path, trained.policy, trained.card)
    agent = PolicyAgent(tmp_path)
    other = suite("metaworld/MT10", cameras="corner2", profile="faithful")
    check_pictures(agent, other)  # It is not known how its pictures were drawn.
    card = replace(agent.card, suite_options={"profile": "fast"})
    object.__setattr__(agent, "card", card)
    message = "pictures of the profile fast, .* draws faithful .* --other-pictures"
    with pytest.raises(InputError, match=message):
        check_pictures(agent, other)
    with pytest.raises(InputError, match=message):
        robomtl.evaluate(agent, other, out=tmp_path / "out")
    with pytest.raises(InputError, match="does not fit metaworld/MT10"):
        config = robomtl.EvaluationConfig(other_pictures=True)
        robomtl.evaluate(agent, other, out=tmp_path / "out", config=config)


def drawn(trained: TrainedPolicy, profile: str, family: str = "metaworld") -> Any:
    """What is known of a data set with pictures of a profile."""
    return SimpleNamespace(
        path=f"data/{profile}",
        suite=f"{family}/MT10",
        suite_options={"profile": profile},
        embodiment=trained.card.spec.embodiments[0],
    )


def test_training_on_pictures_of_two_profiles_is_refused(
    trained: TrainedPolicy,
) -> None:
    fast, faithful = (drawn(trained, profile) for profile in ("fast", "faithful"))
    options = {"suite": "metaworld/MT50", "suite_options": {"profile": "fast"}}
    begun = Start(policy=replace(trained, card=replace(trained.card, **options)))
    message = (
        "data/faithful has images of the profile faithful, and {} of the profile fast"
    )
    check_profiles(cast(Data, SimpleNamespace(sets=[fast, fast])), begun)
    both = cast(Data, SimpleNamespace(sets=[fast, faithful]))
    with pytest.raises(
        InputError, match=message.format("data/fast") + ".*--other-pict"
    ):
        check_profiles(both, None)
    with pytest.raises(InputError, match=message.format("the start")):
        check_profiles(cast(Data, SimpleNamespace(sets=[faithful])), begun)
    head = replace(begun, parts=("head",))  # The encoders of images are new.
    check_profiles(cast(Data, SimpleNamespace(sets=[faithful])), head)
    fetch = drawn(trained, "faithful", "fetch")  # Of another simulator.
    check_profiles(cast(Data, SimpleNamespace(sets=[fast, fetch])), None)


def test_training_allows_pictures_of_two_profiles_if_asked(
    pictured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any) -> None:
        raise InputError("two profiles")

    monkeypatch.setattr(train_run, "check_profiles", refuse)
    data, out = Demonstrations(pictured), tmp_path / "run"
    config = replace(CONFIG, steps=1)
    with pytest.raises(InputError, match="two profiles"):
        robomtl.train(data, out=out, conditioning=("one_hot",), config=config)
    allowed = replace(config, other_pictures=True)
    robomtl.train(data, out=out, conditioning=("one_hot",), config=allowed)


def test_a_policy_brings_its_cameras_to_other_suites_of_its_family() -> None:
    options = {"horizon": 200, "cameras": ["corner2"], "size": 64, "profile": "fast"}
    brought = pictures_of("metaworld/MT10", "metaworld/MT50", options)
    assert brought == {"cameras": ["corner2"], "size": 64, "profile": "fast"}
    assert pictures_of("metaworld/MT10", "points/MT4", options) == {}


def test_an_episode_that_ends_up_elsewhere_when_played_again_has_no_pictures() -> None:
    env = suite("points/MT4", images=16).make_env("reach-red")
    start = env.reset(options={"variation": 3})[0]["state"]
    stays = np.zeros(2, np.float32)
    states = [start, start + np.float32(0.5)]
    drawn = redrawn(env, Played("reach-red", 3, states, iter([stays, stays])))
    assert next(drawn)["top"].shape == (16, 16, 3)
    with pytest.raises(SimulationError, match=r"step 1: component \d+ .* 0.5 apart"):
        next(drawn)


def test_lossless_videos_hold_exactly_the_pictures(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    parts, drawn = [], []
    for each in episodes():
        drawn.append(generator.integers(0, 256, (len(each.state), 17, 24, 3), np.uint8))
        parts.append(each._replace(others={"image.top": drawn[-1]}))
    sizes = Sizes(3, 2, 20, (("image.top", (17, 24, 3)),), "lossless")
    write(tmp_path, header()._replace(sizes=sizes), parts)
    (tmp_path / "meta/robomtl.json").unlink()
    data = Demonstrations(tmp_path, observe=("image.top",))
    assert np.array_equal(data.columns["observation.image.top"], np.concatenate(drawn))
    info = json.loads((tmp_path / "meta/info.json").read_text())
    described = info["features"]["observation.image.top"]["info"]
    assert (described["video.codec"], described["video.pix_fmt"]) == ("h264", "gbrp")


def test_a_collection_records_that_its_videos_are_lossless(tmp_path: Path) -> None:
    points = suite("points/MT4", images=16)
    usual = robomtl.CollectionConfig(tasks=["reach-red"], episodes=1)
    config, alone = replace(usual, video="lossless"), robomtl.Compute(workers=1)
    data = robomtl.collect(points, tmp_path, config=config, compute=alone)
    again = Demonstrations(tmp_path, observe=("top",))
    env = points.make_env("reach-red")
    first, _ = env.reset(options={"variation": int(data.episodes.variation[0])})
    assert np.array_equal(again.columns["observation.images.top"][0], first["top"])
    with pytest.raises(InputError, match="video is 'lossless' in the folder"):
        robomtl.collect(points, tmp_path, config=usual, compute=alone)


def test_an_encoding_of_pictures_is_refused_where_none_are_observed(
    tmp_path: Path,
) -> None:
    config = robomtl.CollectionConfig(tasks=["reach-red"], episodes=1, video="h264")
    with pytest.raises(
        InputError, match="video is 'h264', but points/MT4 .* no images"
    ):
        robomtl.collect(suite("points/MT4"), tmp_path / "data", config=config)
    assert not (tmp_path / "data").exists()


def test_pictures_of_cameras_are_stored_without_loss_unless_chosen_otherwise() -> None:
    assert usual_video({"cameras": ["corner2-zoom"], "size": 84}) == "lossless"
    assert usual_video({"images": 32}) == usual_video({}) == "h264"
