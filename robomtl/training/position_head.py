"""The loss of predicting from encoded images where things are.

The demonstrations' states hold the positions of the hand, the objects and the goal. A part
``auxiliary`` of the policy predicts them from the encoded images while it is trained; a
policy that acts reads no state, and its checkpoint lacks that part.

Source: Levine et al. 2016, "End-to-End Training of Deep Visuomotor Policies"
(arXiv:1504.00702), section 5.3, which trains the convolutions so. Departures:

1. Positions are predicted beside the actions, and not before.
2. They are standardised, and their error is smooth (Huber's), so that a thing that cannot
   be seen does not outweigh those that can.
3. What predicts them reads the task embedding too, by which the objects are named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.features import STATE
from robomtl.layers.normaliser import Moments, Normaliser
from robomtl.policy import Batch, Loss, Policy
from robomtl.suites import suite
from robomtl.task import goal_place
from robomtl.training.objective import Cloning, Material

_WIDTH = 256  # Of the hidden layer.


class PositionHead(nn.Module):
    """Predicts positions from encoded images and the task embedding.

    Args:
        inputs: Numbers of all encoded images of a sample, and of the task embedding.
        shown: 1 where a state of a task holds a position, 0 elsewhere; (task, state).
    """

    def __init__(self, inputs: int, shown: Tensor) -> None:
        super().__init__()
        self.shown: Tensor
        self.register_buffer("shown", shown, persistent=False)
        self.normaliser = Normaliser(shown.shape[1])
        self.layers = nn.Sequential(
            nn.Linear(inputs, _WIDTH),
            nn.GELU(),
            nn.Linear(_WIDTH, shown.shape[1]),
        )

    def forward(self, encoded: Mapping[str, Tensor], task_embedding: Tensor) -> Tensor:
        """Standardised positions; (batch, state).

        Args:
            encoded: Encoded images, by feature; (batch, …).
            task_embedding: (batch, embedding).
        """
        images = [each.reshape(len(task_embedding), -1) for each in encoded.values()]
        predicted: Tensor = self.layers(torch.cat([*images, task_embedding], dim=-1))
        return predicted.float()

    def loss(
        self, encoded: Mapping[str, Tensor], batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """How far the predicted positions of each sample are off.

        Args:
            encoded: Encoded images, by feature; (batch, …).
            batch: Has the states.

        Returns:
            The smooth L1 error of standardised positions, (batch,), and the mean distance
            along an axis [in the states' unit].
        """
        state = batch.observation[STATE]
        wanted = self.normaliser(state[:, -1] if state.ndim > 2 else state)
        predicted = self(encoded, batch.task_embedding)
        shown = self.shown[batch.task]
        error = functional.smooth_l1_loss(predicted, wanted, reduction="none") * shown
        off = (predicted - wanted).detach().abs() * self.normaliser.std * shown
        return error.sum(1) / shown.sum(1), off.sum() / shown.sum()


@dataclass(frozen=True, kw_only=True)
class CloningWithPositions(Cloning):
    """Behaviour cloning with the loss of predicting positions beside it."""

    weight: float
    """Weight of the loss of the positions."""

    def loss(self, policy: Policy, batch: Batch) -> Loss:
        """The policy's own loss of each sample, and that of its positions."""
        assert isinstance(policy.auxiliary, PositionHead)
        with policy.observer.watched() as encoded:
            loss = super().loss(policy, batch)
        error, distance = policy.auxiliary.loss(encoded, batch)
        return Loss(
            loss.per_sample + self.weight * error,
            {**loss.metrics, "position_error": distance},
        )


def attach(policy: Policy, data: Data, material: Material, seed: int) -> None:
    """Gives a policy the part ``auxiliary``, which predicts positions from its images.

    Args:
        policy: On the training device.
        data: Names the suites whose states hold positions.
        material: What is trained on.
        seed: Seed of the run.
    """
    batch = next(material.in_order(1))
    with torch.no_grad(), policy.observer.watched() as encoded:
        policy.loss(batch)
    inputs = sum(each.numel() for each in encoded.values()) + policy.spec.embedding
    shown = _shown(data, batch.observation[STATE].shape[-1])
    head, states = PositionHead(inputs, shown), Moments()
    for block in material.observations(seed):
        states.add(block[STATE].cpu())
    head.normaliser.fit(states)
    policy.auxiliary = head.to(policy.device)


def check_positions(data: Data, *, images: bool, objective: str) -> None:
    """Refuses to predict positions where there are none, or no images to see them in.

    Args:
        data: What is learned from.
        images: Whether the policy observes any.
        objective: Registered name of what is minimised.

    Raises:
        InputError: If there are none, or the objective is not ``cloning``.
    """
    if not images:
        raise InputError(
            "auxiliary.positions predicts positions from images, and the policy observes"
            " none; observe a camera, or leave it at 0."
        )
    if objective != "cloning":
        raise InputError(
            f"auxiliary.positions goes with the objective cloning, and not {objective};"
            " leave it at 0."
        )
    for each in data.sets:
        _suite(each)


def _suite(demonstrations: Demonstrations) -> Any:
    """The suite, which says where states hold positions."""
    needed = "auxiliary.positions needs a suite that says where states hold positions"
    if demonstrations.suite is None:
        raise InputError(f"{needed}; {demonstrations.path} names none. Leave it at 0.")
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    if not hasattr(made, "positions"):
        raise InputError(
            f"{needed}; {made.name} lacks the method positions(task), see"
            " robomtl.task.Suite. Leave it at 0."
        )
    return made


def _shown(data: Data, state: int) -> Tensor:
    """1 where a state of a task holds a position, 0 elsewhere; (task, state)."""
    shown = torch.zeros(len(data.tasks), state)
    for number, each in enumerate(data.sets):
        made = _suite(each)
        for task, index in zip(each.tasks, data.places(number), strict=True):
            positions: Mapping[str, slice] = made.positions(task)
            for place in (*positions.values(), goal_place(made, task)):
                if place is not None:
                    shown[int(index), place] = 1
    return shown
