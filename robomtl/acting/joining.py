"""Forward passes that groups of trials share, each predicted as it would be alone."""

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
from robomtl.policy import EMBODIMENT, Memory, Policy
from robomtl.policy_border import actions_of
from robomtl.spec import Spec


class Group(NamedTuple):
    """Trials whose next actions are requested."""

    observation: Mapping[str, Tensor]
    """Features by name, as many rows as every group has; see ``Batch.observation``."""
    task_embedding: Tensor
    """The task embedding; (row, embedding)."""
    memory: Memory | None
    """What the policy remembers of them."""
    seed: int
    """Seed of what the policy draws for them."""


class Predicted(NamedTuple):
    """The prediction of the policy for a group."""

    chunk: Tensor
    """Actions, on the CPU; (row, chunk, action)."""
    memory: Memory | None
    """What it is to remember, on its device."""


Memories = dict[int, Memory | None]
"""What a policy remembers of the groups of one client, by their index."""


class JointPolicy:
    """A policy on a device that answers several groups at once where that is the same.

    It is tried first, without and with a memory: if it draws random numbers, or if what
    it answers for a group depends on the group's place or company, it always answers
    for one group at a time.

    Args:
        policy: It is moved to the device.
        device: Torch's name of it.
        rows: Rows of a group.
        groups: Groups of a joined forward pass. Fewer are filled up, as matrix products of
            another shape may round differently, and a result must not depend on how many
            clients ask.
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
        """The chunk of each requested group, each (row, chunk, action).

        Args:
            waiting: Requests, each with the memories of its client, which are updated.

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
        """The prediction for each group."""
        predicted: dict[int, Predicted] = {}
        order = sorted(range(len(groups)), key=lambda place: _shape(groups[place]))
        for _, same in groupby(order, key=lambda place: _shape(groups[place])):
            places = list(same)
            for start in range(0, len(places), self._size):
                some = places[start : start + self._size]
                answers = self._forward([groups[place] for place in some], self._size)
                predicted.update(zip(some, answers, strict=True))
        return [predicted[place] for place in range(len(groups))]

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
        self._seed(groups[0].seed)  # It counts where one is alone.
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
        if self.device.type == "cpu":  # Noting it for other devices takes 0.3 ms.
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)

    @torch.inference_mode()
    def _may_join(self) -> bool:
        spec, generator = self._policy.spec, torch.Generator().manual_seed(0)
        this, other = (
            Group(
                _random_observation(spec, self._rows, generator),
                torch.randn(self._rows, spec.embedding, generator=generator),
                memory=None,
                seed=0,
            )
            for _ in range(2)
        )
        for _ in range(2):
            self._seed(this.seed)
            before = self._draws()
            alike = self._forward([this] * self._groups, self._groups)
            if not all(map(torch.equal, before, self._draws())):
                return False
            mixed = self._forward([other] * (self._groups - 1) + [this], self._groups)
            first = alike[0].chunk
            if not all(each.chunk.equal(first) for each in [*alike, mixed[-1]]):
                return False
            this = this._replace(memory=alike[0].memory)
            other = other._replace(memory=mixed[0].memory)
        return True

    def _draws(self) -> list[Tensor]:
        """States of the generators that a policy can draw from."""
        states = [torch.get_rng_state()]
        if self.device.type != "cpu":
            module = torch.get_device_module(self.device)
            states.append(module.get_rng_state(self.device))
        return states


@contextmanager
def memory_explained(device: str) -> Iterator[None]:
    """Turns the error of a device without memory in the block into a message.

    Raises:
        InputError: If there is too little.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"Device '{device}' has too little free memory for the policy: {reason}"
        ) from error


def _random_observation(
    spec: Spec, rows: int, generator: torch.Generator
) -> dict[str, Tensor]:
    time = (spec.history,) if spec.history > 1 else ()
    states = {
        name: torch.randn(rows, *time, size, generator=generator)
        for name, size in spec.states.items()
    }
    images = {
        name: torch.randint(
            256, (rows, *time, *it.shape), generator=generator, dtype=torch.uint8
        )
        for name, it in spec.images.items()
    }
    goals = {
        name: torch.randint(
            256, (rows, *it.shape), generator=generator, dtype=torch.uint8
        )
        for name, it in spec.goals.items()
    }
    robots = len(spec.embodiments)
    if robots == 1:
        return states | images | goals
    robot = torch.randint(robots, (rows,), generator=generator)
    return states | images | goals | {EMBODIMENT: robot}


def _shape(group: Group) -> str:
    """The shapes that the memories of joined groups share."""
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
    """The memories of the first groups of a batch of several."""
    if memory is None:
        return [None] * count
    parts: Mapping[str, Sequence[Tensor]] = {
        name: torch.split(tensor, len(tensor) // size)
        for name, tensor in memory.tensors.items()
    }
    return [
        # As views, each would keep the whole batch.
        Memory({name: part[place].clone() for name, part in parts.items()})
        for place in range(count)
    ]
