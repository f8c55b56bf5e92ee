"""Policies for tests of serving, which import quickly in workers."""

import os
from dataclasses import dataclass

import torch

from robomtl.acting.agent import PolicyAgent
from robomtl.checkpoint import TrainedPolicy
from robomtl.policies.mlp import MLP
from robomtl.policy import Memory


class Drawing(MLP):
    """A policy that samples its actions."""

    def act(self, observation, task_embedding, memory):
        chunk, memory = super().act(observation, task_embedding, memory)
        return torch.rand_like(chunk), memory


class Counting(MLP):
    """A policy that counts the steps of each row, and acts by them."""

    def act(self, observation, task_embedding, memory):
        chunk, _ = super().act(observation, task_embedding, None)
        steps = torch.zeros(len(chunk), 1, 1) if memory is None else None
        steps = memory.tensors["steps"] + 1 if steps is None else steps
        return torch.tanh(chunk + steps), Memory({"steps": steps})


class Sociable(MLP):
    """A policy whose rows influence one another, which the contract forbids."""

    def act(self, observation, task_embedding, memory):
        chunk, memory = super().act(observation, task_embedding, memory)
        return chunk - chunk.mean(0), memory


class Full(MLP):
    """A policy that runs out of memory in a trial."""

    def act(self, observation, task_embedding, memory):
        if task_embedding.sum() == len(task_embedding):
            raise torch.OutOfMemoryError("Tried to allocate 2 GiB.\nSee the manual.")
        return super().act(observation, task_embedding, memory)


class Odd(MLP):
    """A policy that divides by zero in a trial."""

    def act(self, observation, task_embedding, memory):
        chunk, memory = super().act(observation, task_embedding, memory)
        first = task_embedding.sum() == len(task_embedding)
        return (chunk / 0 if first else chunk), memory


class Buggy(MLP):
    def act(self, observation, task_embedding, memory):
        if task_embedding.sum() == len(task_embedding):
            raise KeyError("no such layer")
        return super().act(observation, task_embedding, memory)


@dataclass(frozen=True)
class KindAgent(PolicyAgent):
    """A run directory's weights in another policy class."""

    kind: type = MLP

    def trained(self):
        trained = super().trained()
        policy = self.kind(trained.policy.config, trained.policy.spec)
        policy.load_state_dict(trained.policy.state_dict())
        return TrainedPolicy(
            policy=policy.eval(), card=trained.card, fingerprint=trained.fingerprint
        )


class StillbornAgent(PolicyAgent):
    """An object that kills the process in which it is unpickled."""

    def __setstate__(self, state):
        os._exit(1)
