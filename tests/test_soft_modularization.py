"""The mathematics of the policy with routed modules."""

import torch
from test_policies import build, make_batch
from torch.nn import functional


def small():
    return build("soft_modularization", modules=3, width=5, layers=3, task_width=8)


def routing(policy, batch):
    return policy.routing(batch.observation, batch.task_embedding)


@torch.no_grad()
def test_each_module_reads_a_mixture_of_those_before_it():
    routed = routing(small(), make_batch())
    assert [each.shape for each in routed] == [(32, 3, 3)] * 3
    for each in routed:
        assert (each > 0).all()
        torch.testing.assert_close(each.sum(-1), torch.ones(32, 3))


@torch.no_grad()
def test_task_and_state_both_decide_every_routing():
    policy, batch = small(), make_batch()
    other_task = batch._replace(task_embedding=-batch.task_embedding)
    state = {"state": -batch.observation["state"]}
    other_state = batch._replace(observation=state)
    for other in (other_task, other_state):
        pairs = zip(routing(policy, batch), routing(policy, other), strict=True)
        assert not any(torch.allclose(*pair) for pair in pairs)


@torch.no_grad()
def test_features_follow_from_the_equations_of_the_paper():
    policy, batch = small(), make_batch(1)
    f = policy.stem(batch.observation["state"][0])
    product = f * policy.encoder(batch.task_embedding[0])
    down, up = policy.router.down, policy.router.up
    p = [down[0](product.relu())]  # Equation 5.
    for layer in (1, 2):
        p.append(down[layer]((up[layer - 1](p[-1]) * product).relu()))  # Equation 4.
    g = [f] * 3
    for layer, logits in zip(policy.trunk, p, strict=True):
        weights = logits.view(3, 3).softmax(1)  # Equation 6: over j.
        made = [
            functional.linear(
                g[j], layer.weight.view(3, 5, -1)[j], layer.bias[5 * j :][:5]
            )
            for j in range(3)
        ]
        g = [  # Equation 7.
            sum(weights[i, j] * made[j].relu() for j in range(3)) for i in range(3)
        ]
    expected = policy.norm(torch.cat(g))
    found = policy(batch.observation, batch.task_embedding)[0]
    torch.testing.assert_close(found, expected)
