from types import SimpleNamespace

import pytest
import torch

import robomtl
from robomtl import checkpoint
from robomtl.adaptation import adapt, draw_support
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/ML4")
TINY = {"width": 16, "blocks": 1}
CONFIG = TrainConfig(steps=2, batch_size=16, threads=1)


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    """Undisturbed ones: their actions are those that were carried out."""
    tasks = ["reach-red", "reach-ball"]
    out = tmp_path_factory.mktemp("data")
    return collect(
        SUITE,
        out,
        config=CollectionConfig(episodes=6, tasks=tasks, seed=0, noise=0.0),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def trained(demonstrations, tmp_path_factory):
    prior = demonstrations.select(tasks=["reach-red"])
    out = tmp_path_factory.mktemp("run")
    return train(prior, out=out, policy_config=TINY, config=CONFIG)


@pytest.fixture(scope="module")
def support(demonstrations):
    return draw_support(demonstrations, "reach-ball", shots=3, draw=0)


def episode(support, index):
    """States and actions of a demonstration."""
    table = support.demonstrations.episodes
    rows = slice(table.start[index], table.start[index] + table.length[index])
    return (
        torch.from_numpy(support.demonstrations.state[rows]),
        torch.from_numpy(support.demonstrations.action[rows]),
    )


def played(policy, state, steps):
    """Actions in this many steps of trials that never move; (step, trial, action)."""
    task_embedding, memory, actions = torch.zeros(len(state), 0), None, []
    for _ in range(steps):
        action, memory = policy.act({"state": state}, task_embedding, memory)
        actions.append(action[:, 0])
    return torch.stack(actions)


def test_replay_takes_the_actions_of_the_demonstration_that_began_alike(
    trained, support
):
    policy = adapt(trained, support, method="replay").policy
    episodes = [episode(support, index) for index in range(3)]
    first = torch.stack([state[0] for state, _ in episodes])
    steps = min(len(action) for _, action in episodes)
    actions = played(policy, first, steps)
    for index, (_, action) in enumerate(episodes):
        assert actions[:, index].equal(action[:steps])


def test_after_the_end_of_its_demonstration_replay_holds_the_last_action(
    trained, support
):
    policy = adapt(trained, support, method="replay").policy
    for index in range(3):
        state, action = episode(support, index)
        actions = played(policy, state[:1], len(action) + 100)[:, 0]
        assert actions[len(action) :].equal(action[-1:].expand(100, -1))


def test_replay_solves_the_variation_it_was_shown(trained, support):
    policy = adapt(trained, support, method="replay").policy
    env, memory, success = SUITE.make_env("reach-ball"), None, False
    variation = int(support.demonstrations.episodes.variation[0])
    observation, _ = env.reset(options={"variation": variation})
    for _ in range(SUITE.horizon):
        state = torch.from_numpy(observation["state"])[None]
        action, memory = policy.act({"state": state}, torch.zeros(1, 0), memory)
        observation, _, _, _, info = env.step(action[0, 0].numpy())
        success |= info["success"]
    assert success


def test_a_saved_replay_acts_as_before(trained, support, tmp_path):
    made = adapt(trained, support, method="replay", out=tmp_path / "run")
    loaded = checkpoint.load(tmp_path / "run")
    state = episode(support, 0)[0][:1]
    assert played(loaded.policy, state, 9).equal(played(made.policy, state, 9))


def test_a_policy_that_remembers_nothing_yet_stays_still(trained, support):
    card = adapt(trained, support, method="replay").card
    fresh = checkpoint.build(card)
    assert not played(fresh, episode(support, 0)[0][:1], 3).any()


def test_a_policy_that_only_remembers_is_not_trained(
    trained, support, demonstrations, tmp_path
):
    with pytest.raises(ValueError, match="'replay' is not trained but made by methods"):
        train(demonstrations, out=tmp_path / "run", policy="replay")
    assert not (tmp_path / "run").exists()
    made = adapt(trained, support, method="replay")
    with pytest.raises(ValueError, match="'replay', the result of adapting another"):
        adapt(made, support, method="finetune")
    with pytest.raises(ValueError, match="Replay stores demonstrations and has"):
        made.policy.loss(SimpleNamespace())
