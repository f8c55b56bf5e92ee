"""A tiny smooth policy in float64, for checks of gradients of any order."""

import torch
from torch import nn

from robomtl.policy import Batch, Loss, Policy, Spec

SPEC = Spec(state=5, action=2, embedding=3)


class Tanh(Policy):
    """A network with one hidden layer and the squared error of unbounded actions."""

    def __init__(self, seed=0):
        super().__init__(None, SPEC)
        torch.manual_seed(seed)
        self.encoder = nn.Linear(SPEC.embedding, 2)
        self.trunk = nn.Linear(SPEC.state + 2, 4)
        self.head = nn.Linear(4, SPEC.action)
        self.double()

    def loss(self, batch):
        task = self.encoder(batch.task_embedding)
        seen = torch.cat([batch.observation["state"], task], dim=-1)
        error = self.head(self.trunk(seen).tanh()) - batch.action[:, 0]
        return Loss(error.square().mean(-1), {})

    def act(self, observation, task_embedding, memory):
        raise NotImplementedError


def problems(tasks=3, samples=6, seed=0):
    """Support and query of some tasks; tensors of shape (task, sample, …)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(
            tasks, samples, *shape, generator=generator, dtype=torch.float64
        )

    def batch():
        return Batch(
            observation={"state": draw(SPEC.state)},
            action=draw(1, SPEC.action),
            mask=torch.ones(tasks, samples, 1, dtype=torch.float64),
            task_embedding=draw(SPEC.embedding),
            task=torch.arange(tasks)[:, None].expand(tasks, samples),
        )

    return batch(), batch()


def policy_for(objective, seed=0):
    """The policy with the objective's part ``meta``, randomly initialised."""
    policy = Tanh(seed)
    policy.meta = objective.meta(policy)
    if policy.meta is not None:
        for parameter in policy.meta.double().parameters():
            nn.init.normal_(parameter, std=0.3)
    return policy


def gradients(objective, policy, support, query):
    """The gradient of the mean of an objective's losses, by name."""
    policy.zero_grad(set_to_none=True)
    objective.query_losses(policy, support, query)[0].mean().backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in policy.named_parameters()
        if parameter.grad is not None
    }


def joined(values):
    """Tensors by name, concatenated in the order of the names."""
    return torch.cat([values[name].flatten() for name in sorted(values)])
