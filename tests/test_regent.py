"""Retrieval within a prompt: neighbours, copied actions, and masked inputs."""

import pytest
import torch
from prompts import act, build, draw_batch, draw_context, losses

import robomtl
from robomtl import checkpoint
from robomtl.adaptation import draw_support
from robomtl.adaptation.adapting import configure
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.features import vector_embodiment
from robomtl.policies.regent import Regent, RegentConfig
from robomtl.policy import Spec
from robomtl.training import TrainConfig, train
from robomtl.training.start import Start
from robomtl.training.transferred_weights import transfer_weights

pytestmark = pytest.mark.usefixtures("forked_workers")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        robomtl.suite("points/ML4"),
        folder,
        config=CollectionConfig(episodes=4),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new") / "points"
    tasks = ["reach-ball"]
    suite = robomtl.suite("points/ML4")
    return collect(
        suite,
        folder,
        config=CollectionConfig(episodes=3, tasks=tasks),
        compute=Compute(workers=1),
    )


def test_the_nearest_steps_of_the_task_s_own_prompt_are_retrieved():
    policy, context = build(Regent, neighbours=3), draw_context(tasks=2)
    context = context._replace(mask=torch.tensor([[1.0, 1, 1, 1], [1, 0, 0, 1]]))
    batch = draw_batch(tasks=2)
    found = policy.retrieved(batch.observation, context)
    for row, state in enumerate(batch.observation["state"]):
        task, query = divmod(row, 10)
        there = context.mask[task] == 1
        steps = context.state[task][there].flatten(0, 1)
        apart = policy.normaliser(state) - policy.normaliser(steps)
        near = apart.square().sum(-1).sqrt().sort()
        expected = near.indices[:3]
        torch.testing.assert_close(found.distance[task, query], near.values[:3])
        torch.testing.assert_close(found.difference[task, query], apart[expected])
        action = context.action[task][there].flatten(0, 1)[expected]
        assert torch.equal(found.action[task, query], action)


PLACES = {"positions": (0, 2, 4), "dimensions": 2}


@pytest.mark.parametrize("config", [{}, PLACES], ids=["state", "places"])
def test_where_everything_is_changes_nothing(config):
    policy, context, batch = build(Regent, **config), draw_context(), draw_batch()
    before = losses(policy, batch, context)
    moved = {"state": batch.observation["state"] + 0.7}
    context = context._replace(state=context.state + 0.7)
    batch = batch._replace(observation=moved)
    torch.testing.assert_close(losses(policy, batch, context), before)


def test_the_action_of_a_step_that_was_seen_is_copied():
    context = draw_context()
    context = context._replace(action=context.action.clamp(-1, 1))
    policy = build(Regent, copying=5.0)
    policy.remember(context)
    batch = draw_batch()
    seen = context.state[0, 1, [0, 2, 4]]
    batch = batch._replace(
        observation={"state": torch.cat([seen, batch.observation["state"][3:]])}
    )
    actions = act(policy, batch)[0][:, 0]
    torch.testing.assert_close(actions[:3], context.action[0, 1, [0, 2, 4]])
    plain = build(Regent)
    plain.remember(context)
    assert not torch.allclose(actions[3:], act(plain, batch)[0][3:, 0])


def test_steps_may_be_compared_by_where_things_are_from_each_other():
    policy = build(Regent, **PLACES, near=0.1)
    state = torch.tensor([[1.0, 2.0, 1.1, 2.0, 0.5, 2.0], [1.0, 2.0, 0, 0, 0.5, 2.0]])
    key = torch.tensor([[1, 0, -5, 0, -6, 0], [0, 0, -5, 0, 0, 0]])
    logarithm = key.sign() * (1 + key.abs()).log()
    seen = policy.compared(state, policy.normaliser(state))
    torch.testing.assert_close(seen, torch.cat([logarithm, key], -1))
    other = build(Regent, **PLACES, others=(5,), near=0.1)
    seen = other.compared(state, other.normaliser(state))
    assert torch.equal(seen[:, 6], other.normaliser(state)[:, 5])
    assert other.compared.key == 7


def test_it_acts_without_a_prompt():
    policy, batch = build(Regent, copying=5.0), draw_batch()
    assert torch.equal(act(policy, batch)[0], act(build(Regent), batch)[0])


def test_a_trained_one_copies_as_its_method_says(data, new, tmp_path):
    made = train(
        data,
        out=tmp_path / "run",
        objective="regent",
        policy="regent",
        objective_config={"steps": 8, "shots": 3, "tasks": 2},
        policy_config={"width": 16, "blocks": 1},
        config=TrainConfig(steps=2, batch_size=8, threads=1),
    )
    fresh = checkpoint.build(made.card)
    taken = transfer_weights(fresh, Start(policy=made))
    assert not taken.new and "its own parameters" in taken.sentence
    assert fresh.falling.equal(made.policy.falling)
    support = draw_support(new, "reach-ball", shots=2, draw=0)
    method = configure("regent", {"copying": 3.0})
    adapted = robomtl.adapt(made, support, method=method, out=tmp_path / "adapted")
    assert made.policy.config.copying == 0
    assert adapted.policy.config.copying == 3
    again = robomtl.load(tmp_path / "adapted").policy
    assert again.config.copying == 3
    assert again.remembered["state"].shape == (2, 8, 12)


def test_another_policy_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="trains the policy regent, not in_context"):
        train(data, out=tmp_path, objective="regent", policy="in_context")


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="copying is -1.0; give 0 or more"):
        RegentConfig(copying=-1.0)
    with pytest.raises(ValueError, match="copying is -1.0; give 0 or more"):
        configure("regent", {"copying": -1.0})
    with pytest.raises(ValueError, match="width is 30, which 4 attention heads do not"):
        RegentConfig(width=30)
    with pytest.raises(ValueError, match="positions is .4,.; give 2 or more"):
        RegentConfig(positions=(4,))
    with pytest.raises(ValueError, match="near is 0.0; give more than 0"):
        RegentConfig(near=0.0)
    with pytest.raises(ValueError, match="do not lie in a state of 6 components"):
        build(Regent, positions=(0, 4))
    robots = tuple(vector_embodiment(state=6, action=2, name=name) for name in "ab")
    with pytest.raises(ValueError, match="positions refers to the state of one robot"):
        Regent(RegentConfig(**PLACES), Spec(embodiments=robots, embedding=0))
