import pytest
import torch

import robomtl
from robomtl.acting.actor import TaskInfo
from robomtl.action_head import HeadPolicy
from robomtl.adaptation import Budget, adapt, draw_support
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.methods.vinn import VINN
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policies.nearest_neighbour import locally_weighted
from robomtl.training import TrainConfig, train

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/ML4")
TINY = {"width": 16, "blocks": 1}
CONFIG = TrainConfig(steps=2, batch_size=16, threads=1)
METHODS = ["nearest_neighbour", "vinn"]


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    tasks = ["reach-red", "reach-ball"]
    out = tmp_path_factory.mktemp("data")
    return collect(
        SUITE,
        out,
        config=CollectionConfig(episodes=6, tasks=tasks, seed=0),
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


def frames(support):
    """All states and actions of the support."""
    given = support.demonstrations
    return torch.from_numpy(given.state), torch.from_numpy(given.action)


def embedded(trained, support, rows):
    """The task embedding of the support's task, in so many trials."""
    wording = support.task.instructions[0]
    conditioning = trained.card.conditioning
    return conditioning.fixed([TaskInfo(support.name, wording)]).expand(rows, -1)


def acted(trained, support, state):
    """Actions in trials of the support's task; (trial, action)."""
    task_embedding = embedded(trained, support, len(state))
    return trained.policy.act({"state": state}, task_embedding, None)[0][:, 0]


def by_hand(query, key, value, neighbours):
    """The equation of VINN in loops: sum_k a_k e^-d_k / sum_k e^-d_k."""
    answers = []
    for row in query.double():
        distance = (key.double() - row).square().sum(-1).sqrt()
        nearest = distance.argsort()[:neighbours]
        weight = torch.exp(-distance[nearest])
        weighted = (weight[:, None] * value.double()[nearest]).sum(0)
        answers.append(weighted / weight.sum())
    return torch.stack(answers).float()


@pytest.mark.parametrize("neighbours", [1, 4, 30, 99])
def test_locally_weighted_is_the_equation_of_vinn(neighbours):
    generator = torch.Generator().manual_seed(0)
    query, key = (torch.randn(n, 5, generator=generator) for n in (7, 30))
    value = torch.randn(30, 2, generator=generator)
    expected = by_hand(query, key, value, neighbours)
    made = locally_weighted(query, key, value, neighbours=neighbours)
    assert torch.allclose(made, expected, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_one_neighbour_repeats_its_own_demonstrations_exactly(trained, support, method):
    made = adapt(trained, support, method=configure(method, {"neighbours": 1}))
    state, action = frames(support)
    assert acted(made, support, state).equal(action)


def test_nearest_neighbours_compare_states_as_the_trained_policy_standardises(
    trained, support
):
    made = adapt(
        trained, support, method=configure("nearest_neighbour", {"neighbours": 3})
    )
    (state, action), other = frames(support), torch.randn(8, 12).clamp(-1, 1)
    standardised = trained.policy.normaliser
    expected = by_hand(standardised(other), standardised(state), action, 3)
    assert torch.allclose(acted(made, support, other), expected, atol=1e-5)


def test_vinn_compares_the_features_from_which_the_trained_policy_predicts(
    trained, support
):
    made = adapt(trained, support, method=configure("vinn", {"neighbours": 3}))
    (state, action), other = frames(support), torch.randn(8, 12).clamp(-1, 1)
    key, query = (
        trained.policy({"state": each}, embedded(trained, support, len(each)))
        for each in (state, other)
    )
    expected = by_hand(query, key, action, 3)
    assert torch.allclose(acted(made, support, other), expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_no_neighbour_is_refused(trained, support, method):
    with pytest.raises(ValueError, match="neighbours is 0; give at least 1"):
        adapt(trained, support, method=configure(method, {"neighbours": 0}))


def test_vinn_refuses_a_policy_without_a_head(trained, support):
    made = adapt(trained, support, method="replay")
    assert not isinstance(made.policy, HeadPolicy)
    with pytest.raises(ValueError, match="'replay' has no features .* such as film"):
        VINN().adapt(made, support, Budget(), torch.Generator())
