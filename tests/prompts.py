"""Policies that read a prompt, and prompts and queries for them."""

import torch

from robomtl.policies.in_context import InContextTransformer
from robomtl.policy import Batch, Context, Spec

SPEC = Spec(state=6, action=2, embedding=4)


def build(kind=InContextTransformer, **config):
    torch.manual_seed(0)
    policy = kind(kind.Config(width=16, **config), SPEC).eval()
    policy.normaliser.fit(torch.randn(100, SPEC.state) * 2 + 1)
    return policy


def draw_context(tasks=1, shots=4, time=5, state=SPEC.state, action=SPEC.action):
    generator = torch.Generator().manual_seed(1)
    return Context(
        state=torch.randn(tasks, shots, time, state, generator=generator),
        action=torch.randn(tasks, shots, time, action, generator=generator),
        progress=torch.linspace(0, 1, time).expand(tasks, shots, time),
        mask=torch.ones(tasks, shots),
        robot=torch.zeros(tasks, shots, dtype=torch.long),
    )


def draw_batch(tasks=1, each=10):
    generator = torch.Generator().manual_seed(2)
    rows = tasks * each
    return Batch(
        observation={"state": torch.randn(rows, SPEC.state, generator=generator)},
        action=torch.rand(rows, 1, SPEC.action, generator=generator),
        mask=torch.ones(rows, 1),
        task_embedding=torch.randn(rows, SPEC.embedding, generator=generator),
        task=torch.arange(tasks).repeat_interleave(each),
    )


def losses(policy, batch, context):
    return policy.prompted_loss(batch, context).per_sample


def act(policy, batch, memory=None):
    return policy.act(batch.observation, batch.task_embedding, memory)
