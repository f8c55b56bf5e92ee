"""Batched forward passes for groups of trials, with the same results as one by one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robomtl.acting.policy_episodes import ROWS, PredictionRequest, tensors
from robomtl.errors import InputError
from robomtl.policy import Memory, Policy
from robomtl.policy_contract import actions_of
from robomtl.random_batch import random_batch


class Group(NamedTuple):
    """Batch of trials whose next actions are requested."""

    observation: Mapping[str, Tensor]
    """Features by name, with the same number of rows in all groups; see ``Batch``."""
    task_embedding: Tensor
    """Task embedding of each row; (row, embedding)."""
    memory: Memory | None
    """Memory of the policy after the previous step; None at the first."""
    seed: int
    """Seed of the policy's random numbers."""


class Predicted(NamedTuple):
    """Prediction of the policy for a group."""

    chunk: Tensor
    """Predicted actions, on the CPU; (row, chunk, action)."""
    memory: Memory | None
    """Memory for the next step, on the policy's device; None without one."""


Memories = dict[int, Memory | None]
"""Memories of a policy for the groups of one client, by index of the group."""


class JointPolicy:
    """Policy on a device that answers several groups in one forward pass if that is exact.

    The policy is tested first, without and with a memory: if it draws random numbers, or
    if its answer for a group depends on the group's position or on the other groups, each
    group gets its own forward pass.

    Args:
        policy: Policy, which is moved to the device.
        device: Torch's name of the device.
        rows: Number of rows of a group.
        groups: Number of groups of a joined forward pass. Fewer are padded, as matrix
            products of another shape may round differently, and results must not depend on
            the number of clients.
    """

    def __init__(
        self, policy: Policy, device: str, *, rows: int = ROWS, groups: int = 16
    ) -> None:
        self.device = torch.device(device)
        self._policy = policy.to(self.device)
        self._rows, self._groups = rows, groups
        self._size = groups if self._may_join() else 1

    def answer(
        self, waiting: Sequence[tuple[PredictionRequest, Memories]]
    ) -> list[NDArray[np.float32]]:
        """Action chunk for each request; each (row, chunk, action).

        Args:
            waiting: Pairs of a request and its client's memories, which are updated.

        Raises:
            InputError: If the device has too little memory.
        """
        groups = [
            Group(
                tensors(request.observation),
                torch.from_numpy(request.task_embedding),
                None if request.first else memories[request.group],
                request.seed,
            )
            for request, memories in waiting
        ]
        with memory_explained(str(self.device)):
            predicted = self(groups)
        for (request, memories), each in zip(waiting, predicted, strict=True):
            memories[request.group] = each.memory
        return [each.chunk.numpy() for each in predicted]

    @torch.inference_mode()
    def __call__(self, groups: Sequence[Group]) -> list[Predicted]:
        """Prediction for each group, in their order."""
        predicted: dict[int, Predicted] = {}
        order = sorted(range(len(groups)), key=lambda index: _shape(groups[index]))
        for _, same in groupby(order, key=lambda index: _shape(groups[index])):
            indices = list(same)
            for start in range(0, len(indices), self._size):
                batch = indices[start : start + self._size]
                answers = self._forward([groups[index] for index in batch], self._size)
                predicted.update(zip(batch, answers, strict=True))
        return [predicted[index] for index in range(len(groups))]

    def _forward(self, groups: Sequence[Group], size: int) -> list[Predicted]:
        filled = [*groups, *[groups[0]] * (size - len(groups))]
        observation = {
            name: torch.cat([group.observation[name] for group in filled]).to(
                self.device
            )
            for name in groups[0].observation
        }
        task_embedding = torch.cat([group.task_embedding for group in filled]).to(
            self.device
        )
        self._seed(groups[0].seed)  # Policies that draw get one group at a time.
        chunk, memory = actions_of(
            self._policy,
            observation,
            task_embedding,
            _joined([group.memory for group in filled]),
        )
        chunks = torch.split(chunk.cpu(), self._rows)[: len(groups)]
        memories = _split(memory, size, len(groups))
        pairs = zip(chunks, memories, strict=True)
        return [Predicted(*pair) for pair in pairs]

    def _seed(self, seed: int) -> None:
        if self.device.type == "cpu":  # Seeding other devices too takes 0.3 ms.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    @torch.inference_mode()
    def _may_join(self) -> bool:
        """Whether joined forward passes equal separate ones, on random observations."""
        batches = (
            random_batch(self._policy.spec, 1, seed=seed, rows=self._rows)
            for seed in range(2)
        )
        this, other = (
            Group(each.observation, each.task_embedding, memory=None, seed=0)
            for each in batches
        )
        for _ in range(2):
            self._seed(this.seed)
            before = self._draws()
            equal = self._forward([this] * self._groups, self._groups)
            if not all(map(torch.equal, before, self._draws())):
                return False
            mixed = self._forward([other] * (self._groups - 1) + [this], self._groups)
            first = equal[0].chunk
            if not all(each.chunk.equal(first) for each in [*equal, mixed[-1]]):
                return False
            this = this._replace(memory=equal[0].memory)
            other = other._replace(memory=mixed[0].memory)
        return True

    def _draws(self) -> list[Tensor]:
        """States of the random generators that a policy can draw from."""
        states = [torch.get_rng_state()]
        if self.device.type != "cpu":
            module = torch.get_device_module(self.device)
            states.append(module.get_rng_state(self.device))
        return states


@contextmanager
def memory_explained(device: str) -> Iterator[None]:
    """Turns an out-of-memory error of the block into an ``InputError``.

    Raises:
        InputError: If the device has too little free memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"Device '{device}' has too little free memory for the policy: {reason}"
        ) from error


def _shape(group: Group) -> str:
    """Key of the shapes and dtypes of a group's memory; joined groups share one."""
    if group.memory is None:
        return ""
    tensors = sorted(group.memory.tensors.items())
    return repr([(name, tensor.shape, tensor.dtype) for name, tensor in tensors])


def _joined(memories: Sequence[Memory | None]) -> Memory | None:
    given = [memory.tensors for memory in memories if memory is not None]
    if not given:
        return None
    return Memory(
        {name: torch.cat([each[name] for each in given]) for name in given[0]}
    )


def _split(memory: Memory | None, size: int, count: int) -> list[Memory | None]:
    """Memories of the first ``count`` groups of a batch of ``size`` groups."""
    if memory is None:
        return [None] * count
    parts: Mapping[str, Sequence[Tensor]] = {
        name: torch.split(tensor, len(tensor) // size)
        for name, tensor in memory.tensors.items()
    }
    return [
        # A view would keep the whole batch in memory.
        Memory({name: part[index].clone() for name, part in parts.items()})
        for index in range(count)
    ]
