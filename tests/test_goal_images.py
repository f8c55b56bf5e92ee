"""Conditioning on goal images: by hindsight in training, the expert's in evaluation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from families import Here

import robomtl
from robomtl.acting.actor import TaskInfo
from robomtl.acting.goal_images import GoalImages
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import InputError
from robomtl.evaluation.trials import Trial
from robomtl.execution.compute import Compute
from robomtl.features import ActionFeature, Embodiment, Feature
from robomtl.policies.octo import Octo, OctoConfig
from robomtl.policy import Spec
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.hindsight import without_instructions
from robomtl.training.material import materials
from robomtl.training.objective import Cloning

pytest.importorskip("av")
pytestmark = pytest.mark.usefixtures("forked_workers")
SUITE = robomtl.suite("points/MT4", images=16, horizon=12)
CONFIG = robomtl.TrainConfig(
    steps=2, batch_size=8, precision="float32", threads=1, validation=0.0
)
SEEING = Embodiment(
    name="seeing",
    observation={
        "state": Feature(kind="state", shape=(3,)),
        "top": Feature(kind="image", shape=(16, 16, 3), camera="top"),
    },
    action=ActionFeature(size=2),
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    collect(
        SUITE, folder, config=CollectionConfig(episodes=2), compute=Compute(workers=1)
    )
    return Demonstrations(folder, observe=("state", "top"))


def drawn(pictures, kinds, fraction=0.5):
    config = replace(CONFIG, goal_images=fraction, batch_size=64)
    conditioning = conditioning_for(pictures, kinds, Cloning())
    material, _ = materials(pictures, conditioning, config, chunk=1)
    return Cloning().draws(material, config).batch(0, 64), material, conditioning


def test_goals_are_later_images_of_the_same_episode(pictures):
    batch, material, _ = drawn(pictures, ("goal_image",))
    frames, state = material.frames, batch.observation["state"]
    top = frames.resident().table.observation["top"]
    ahead = []
    for row in range(64):
        here = int((frames.resident().state == state[row]).all(1).nonzero()[0, 0])
        start, length = frames.resident().episodes[:2]
        episode = int(torch.searchsorted(start, here, right=True)) - 1
        later = top[here : start[episode] + length[episode]]
        same = (later == batch.observation["goal.top"][row]).flatten(1).all(1)
        assert same.any()
        ahead.append(int(same.nonzero()[-1, 0]))
    assert len(set(ahead)) > 4  # From the next step to the last one.


def test_of_instruction_and_goal_image_each_sample_has_one(pictures):
    batch, _, conditioning = drawn(pictures, ("language", "goal_image"), fraction=0.25)
    words = batch.task_embedding[:, conditioning.slice_of("language")].any(1)
    shown = (batch.observation["goal.top"] != 0).flatten(1).any(1)
    assert torch.equal(words, ~shown)
    assert 4 < int(shown.sum()) < 28


def test_what_is_not_said_in_words_stays_beside_a_goal_image():
    conditioning = Conditioning(
        kinds=("language", "one_hot", "goal_image"), tasks=("a", "b")
    )
    goals = torch.tensor([0.3, -1.0])
    fixed = without_instructions(torch.ones(2, 386), goals, conditioning)
    assert fixed.sum(1).tolist() == [2.0, 386.0]


@pytest.mark.parametrize("name", ["film", "act", "octo", "rt1", "transformer"])
@pytest.mark.parametrize("kinds", [("language", "goal_image")])
def test_any_policy_is_conditioned_on_goal_images(name, kinds, pictures, tmp_path):
    trained = robomtl.train(
        pictures,
        out=tmp_path / "run",
        policy=name,
        policy_config={"width": 16},
        conditioning=kinds,
        config=replace(CONFIG, history=2),
    )
    assert [*trained.card.spec.goals] == ["goal.top"]
    agent = robomtl.PolicyAgent(tmp_path / "run")
    out = tmp_path / "out"
    results = robomtl.evaluate(
        agent,
        SUITE,
        out=out,
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(executor=Here()),
    )
    assert [record.error for record in results.records] == [None] * 4


def test_a_goal_image_is_what_the_expert_sees_when_it_succeeds():
    task, suite = "reach-red", robomtl.suite("points/MT4", images=16)
    trial = Trial("points/MT4", task, 1_000_003)
    found = GoalImages(suite, ["top"]).of(
        [trial] * 2, [TaskInfo(task, None), TaskInfo(None, None)]
    )
    assert found[1] is None
    env, act = suite.make_env(task), suite.make_expert(task)
    observation, info = env.reset(options={"variation": 1_000_003})
    first = observation["top"]
    while not info.get("success"):
        observation, _, _, _, info = env.step(act(observation))
    assert np.array_equal(found[0]["top"], observation["top"])
    assert not np.array_equal(first, observation["top"])


@torch.inference_mode()
def test_a_goal_image_that_is_withheld_has_no_influence():
    spec = Spec(embodiments=(SEEING,), embedding=4, history=2, goal_image=True)
    torch.manual_seed(0)
    octo = Octo(OctoConfig(width=32, blocks=2, heads=2), spec).eval()
    seen = {
        "state": torch.randn(3, 2, 3),
        "top": torch.randint(256, (3, 2, 16, 16, 3), dtype=torch.uint8),
        "goal.top": torch.zeros(3, 16, 16, 3, dtype=torch.uint8),
    }
    before = octo(seen, torch.ones(3, 4))
    octo.goals.camera.add_(100.0)
    assert torch.equal(octo(seen, torch.ones(3, 4)), before)
    seen["goal.top"][0] = 200
    changed = (octo(seen, torch.ones(3, 4)) != before).any(1)
    assert changed.tolist() == [True, False, False]


def test_a_goal_image_needs_a_policy_that_observes_images():
    with pytest.raises(InputError, match="a goal image needs images"):
        Spec(state=3, action=2, embedding=4, goal_image=True)
