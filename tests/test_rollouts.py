import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from robomtl import ExpertAgent
from robomtl.cli.main import main
from robomtl.demonstrations import (
    CollectionConfig,
    Demonstrations,
    Mixture,
    collect,
)
from robomtl.demonstrations.adding import add_cameras
from robomtl.demonstrations.driving import Rollouts
from robomtl.envs.points import PointsSuite
from robomtl.errors import GaveUpError
from robomtl.execution import compute
from robomtl.execution.compute import Compute
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("inline")

POINTS = PointsSuite(variant="MT4", horizon=20)
REACH = ("reach-red",)


class Inline:
    """An executor that needs no process."""

    def __init__(self, workers, limit):
        self.workers = workers

    def map(self, work, items):
        """Yields results in order."""
        for index, item in enumerate(items):
            yield index, work(item)


@pytest.fixture
def inline(monkeypatch):
    monkeypatch.setattr(compute, "LocalExecutor", Inline)


class Still:
    """Acts by standing where it is."""

    def start(self, trials, told):
        """Nothing is remembered."""

    def __call__(self, observations, running):
        """Zeros."""
        return np.zeros((len(observations), 2), np.float32)


@dataclass(frozen=True)
class Idle:
    """An agent that does nothing."""

    name: str = "idle"
    fingerprint: str = "idle"

    def check(self, suite):
        """Fits every suite."""

    def load(self, suite):
        """The actor."""
        return Still()


def record(out: Path, rollouts: Rollouts | None = None, **settings) -> Demonstrations:
    config = CollectionConfig(**{"tasks": REACH, "episodes": 3, **settings})
    alone = Compute(workers=1)
    return collect(POINTS, out, config=config, rollouts=rollouts, compute=alone)


def test_a_policy_that_acts_as_the_expert_records_what_the_expert_does(tmp_path):
    wanted = record(tmp_path / "demonstrations", noise=0.5)
    for labels in ("expert", "policy"):
        rollouts = Rollouts(agent=ExpertAgent(), labels=labels)
        found = record(tmp_path / labels, noise=0.5, rollouts=rollouts)
        assert np.array_equal(found.state, wanted.state)
        assert np.array_equal(found.action, wanted.action)


def test_the_expert_labels_what_a_policy_does_in_failed_episodes_too(tmp_path):
    found = record(tmp_path, noise=0, rollouts=Rollouts(agent=Idle()))
    expert = POINTS.make_expert("reach-red")
    assert found.episodes.length.tolist() == [20, 20, 20]
    assert not found.episodes.success.any()
    state = found.state[:20]
    assert np.array_equal(state, state[:1].repeat(20, 0))
    assert np.array_equal(expert({"state": state[0]}), found.action[0])


def test_training_clones_the_labels_of_failed_episodes(tmp_path):
    found = record(tmp_path, noise=0, rollouts=Rollouts(agent=Idle()))
    assert len(found.succeeded()) == 3
    assert found.failures == {"reach-red": 3}


def test_variations_may_be_skipped(tmp_path):
    whole = record(tmp_path / "all", noise=0)
    rest = record(tmp_path / "rest", noise=0, first=1, episodes=2)
    assert rest.episodes.variation.tolist() == whole.episodes.variation[1:].tolist()


def test_a_policy_that_solves_nothing_is_not_imitated(tmp_path):
    rollouts = Rollouts(agent=Idle(), labels="policy")
    with pytest.raises(ValueError, match=r"solved none of 3 .*--labels expert"):
        record(tmp_path, noise=0, rollouts=rollouts)


@pytest.mark.parametrize("labels", ["expert", "policy"])
def test_a_policy_whose_episodes_are_all_aborted_is_quoted(
    tmp_path, monkeypatch, labels
):
    def failing(*_):
        raise KeyError("gripper")

    monkeypatch.setattr(Still, "__call__", failing)
    rollouts = Rollouts(agent=Idle(), labels=labels)
    message = (
        r"1\d of 1\d episodes of 'reach-red' were aborted by .*KeyError: 'gripper'"
    )
    with pytest.raises(GaveUpError, match=message):
        record(tmp_path / "all", noise=0, rollouts=rollouts)
    last = len(POINTS.variations("reach-red", "train")) - 3
    with pytest.raises(GaveUpError, match="All 3 episodes .* aborted .*KeyError: 'gri"):
        record(tmp_path / "rest", noise=0, first=last, rollouts=rollouts)


@dataclass(frozen=True)
class Faltering(ExpertAgent):
    """The expert, which raises in odd variations and stands still in one."""

    still: int | None = None

    def load(self, suite):
        """The expert's actor."""
        acting, still = super().load(suite), self.still

        class Faltered:
            def start(self, trials, told):
                self._variation = trials[0].variation
                acting.start(trials, told)

            def __call__(self, observations, running):
                if self._variation % 2:
                    raise KeyError("gripper")
                return acting(observations, running) * (self._variation != still)

        return Faltered()


@pytest.mark.parametrize("labels", ["expert", "policy"])
def test_aborted_episodes_of_a_policy_are_replaced(tmp_path, labels):
    rollouts = Rollouts(agent=Faltering(), labels=labels)
    found = record(tmp_path, noise=0, rollouts=rollouts)
    variations = POINTS.variations("reach-red", "train")
    even = [each for each in variations if not each % 2]
    assert found.episodes.variation.tolist() == even[:3]
    about = json.loads((tmp_path / "meta/robomtl.json").read_text())["tasks"][0]
    assert (about["solved"], about["unstable"]) == (3, about["tried"] - 3)


def test_failed_episodes_of_a_policy_are_attempts_that_are_not_replaced(tmp_path):
    rollouts = Rollouts(agent=Faltering(still=0), labels="policy")
    found = record(tmp_path, noise=0, rollouts=rollouts)
    assert found.episodes.variation.tolist() == [2, 4]


def test_a_policy_keeps_its_attempts_when_no_variation_is_left(tmp_path):
    variations = POINTS.variations("reach-red", "train")
    rollouts = Rollouts(agent=Faltering())
    found = record(tmp_path, noise=0, first=len(variations) - 3, rollouts=rollouts)
    even = [each for each in variations[-3:] if not each % 2]
    assert found.episodes.variation.tolist() == even


def test_more_than_the_variations_that_are_left_are_refused(tmp_path):
    last = len(POINTS.variations("reach-red", "train")) - 1
    message = rf"request at most 1 episodes from the variation {last} on"
    with pytest.raises(ValueError, match=message):
        record(tmp_path, first=last, episodes=2)


def test_labels_cannot_be_played_again_to_be_seen(tmp_path):
    record(tmp_path / "data", noise=0, rollouts=Rollouts(agent=Idle()))
    with pytest.raises(ValueError, match="not the executed actions"):
        add_cameras(tmp_path / "data", tmp_path / "seen", options={"images": 16})


def test_rollouts_of_a_policy_are_mixed_into_its_next_training(tmp_path):
    begun, small = record(tmp_path / "demonstrations"), {"width": 8}
    config = TrainConfig(steps=1, batch_size=8, validation=0)
    train(begun, out=tmp_path / "policy", policy_config=small, config=config)
    options = ["--suite-options", "horizon=20", "--tasks", *REACH, "--first", "3"]
    policy = ["--policy", str(tmp_path / "policy"), "--episodes", "2"]
    main(["collect", "points/MT4", *options, *policy, "--out", str(tmp_path / "more")])
    request = json.loads((tmp_path / "more/meta/robomtl.json").read_text())["request"]
    assert (request["noise"], request["first"], len(request["policy"])) == (0, 3, 64)
    data = Mixture([begun, Demonstrations(tmp_path / "more")])
    trained = train(
        data, out=tmp_path / "next", start=tmp_path / "policy", config=config
    )
    assert trained.card.suite == "points/MT4"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--labels", "expert"], "give --policy RUN, or leave --labels out"),
        (["--policy", "nowhere"], "nowhere"),
        (["--first", "-1"], "first is -1; give at least 0"),
    ],
)
def test_flags_that_do_not_fit_are_refused(tmp_path, capsys, flags, message):
    main(["collect", "points/MT4", "--out", str(tmp_path / "data"), *flags])
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


@dataclass(frozen=True)
class Partial(ExpertAgent):
    """An agent that solves one task and stands still in the others."""

    def load(self, suite):
        """The expert of that task."""
        acting, still = super().load(suite), Still()

        class Chosen:
            def start(self, trials, told):
                self._actor = acting if told[0].task in REACH else still
                self._actor.start(trials, told)

            def __call__(self, observations, running):
                return self._actor(observations, running)

        return Chosen()


def test_tasks_without_a_solved_episode_are_left_out_of_imitation(tmp_path):
    rollouts = Rollouts(agent=Partial(), labels="policy")
    tasks = ("reach-green", *REACH)
    found = record(tmp_path, noise=0, tasks=tasks, rollouts=rollouts)
    assert found.tasks == REACH
    assert len(found) == 3
