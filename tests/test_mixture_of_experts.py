"""The mathematics of the policy that mixes experts."""

import torch
from test_policies import SPEC, build, make_batch
from torch import nn

from robomtl.layers.parallel_linear import ParallelLinear
from robomtl.policies.mlp import hidden_layers


def features(policy, batch):
    return policy(batch.observation, batch.task_embedding)


@torch.no_grad()
def test_parallel_layers_are_the_layers_one_by_one():
    parallel, inputs = ParallelLinear(3, 5, 4), torch.randn(3, 7, 5)
    for index in range(3):
        alone, rows = nn.Linear(5, 4), slice(4 * index, 4 * index + 4)
        alone.weight.copy_(parallel.weight[rows])
        alone.bias.copy_(parallel.bias[rows])
        torch.testing.assert_close(parallel(inputs)[index], alone(inputs[index]))


@torch.no_grad()
def test_one_expert_is_the_trunk_of_mlp_over_the_state():
    policy, batch = build("mixture_of_experts", experts=1, width=16), make_batch()
    alone = hidden_layers([SPEC.state, 16, 16, 16])
    for name, value in policy.trunk.state_dict().items():
        alone.get_parameter(name).copy_(value)
    expected = alone(batch.observation["state"])
    torch.testing.assert_close(features(policy, batch), expected)


@torch.no_grad()
def test_features_are_the_experts_by_their_gates():
    policy, batch = build("mixture_of_experts", experts=3, width=16), make_batch()
    gates = policy.gates(batch.task_embedding)
    torch.testing.assert_close(gates.sum(1), torch.ones(32))
    expected = torch.zeros(32, 16)
    for expert in range(3):
        alone = hidden_layers([SPEC.state, 16, 16, 16])
        for name, value in policy.trunk.state_dict().items():
            alone.get_parameter(name).copy_(value.chunk(3)[expert])
        expected += gates[:, expert, None] * alone(batch.observation["state"])
    torch.testing.assert_close(features(policy, batch), expected)


@torch.no_grad()
def test_experts_are_not_told_the_task():
    policy, batch = build("mixture_of_experts", experts=2), make_batch()
    for value in policy.trunk.parameters():  # Two of the same: gates do not matter.
        first, second = value.chunk(2)
        second.copy_(first)
    other = batch._replace(task_embedding=-batch.task_embedding)
    torch.testing.assert_close(features(policy, batch), features(policy, other))
