"""Auxiliary loss of predicting the positions of objects from encoded images.

The demonstrations' states contain the positions of the hand, the objects and the goal. The
module ``auxiliary`` of the policy predicts them from the encoded images during training; the
trained policy does not need the states, and its checkpoint lacks that module.

Source: Levine et al. 2016, "End-to-End Training of Deep Visuomotor Policies"
(arXiv:1504.00702), section 5.3, where the convolutions are pre-trained in this way.
Departures:

1. Positions are predicted together with the actions, and not before.
2. Positions are standardised and their error is Huber's, so that an object that is not
   visible does not outweigh those that are.
3. The predictor also reads the task embedding, which identifies the objects.
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

_WIDTH = 256  # Units of the hidden layer.


class PositionHead(nn.Module):
    """Predicts positions from encoded images and the task embedding.

    Args:
        inputs: Length of all encoded images of a sample and the task embedding together.
        shown: 1 for components of a task's state that are positions, 0 for others;
            (task, state).
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
        """Predicted positions, standardised; (batch, state).

        Args:
            encoded: Encoded images, by feature; (batch, …).
            task_embedding: Task embeddings; (batch, embedding).
        """
        images = [each.reshape(len(task_embedding), -1) for each in encoded.values()]
        predicted: Tensor = self.layers(torch.cat([*images, task_embedding], dim=-1))
        return predicted.float()

    def loss(
        self, encoded: Mapping[str, Tensor], batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """Error of the predicted positions.

        Args:
            encoded: Encoded images, by feature; (batch, …).
            batch: Batch with the states.

        Returns:
            The smooth L1 error of standardised positions, (batch,), and the mean absolute
            error along an axis, in the states' unit, ().
        """
        state = batch.observation[STATE]
        target = self.normaliser(state[:, -1] if state.ndim > 2 else state)
        predicted = self(encoded, batch.task_embedding)
        shown = self.shown[batch.task]
        error = functional.smooth_l1_loss(predicted, target, reduction="none") * shown
        off = (predicted - target).detach().abs() * self.normaliser.std * shown
        return error.sum(1) / shown.sum(1), off.sum() / shown.sum()


@dataclass(frozen=True, kw_only=True)
class CloningWithPositions(Cloning):
    """Behaviour cloning with the auxiliary loss of predicting positions."""

    weight: float
    """Weight of the auxiliary loss."""

    def loss(self, policy: Policy, batch: Batch) -> Loss:
        """The policy's own loss of each sample, plus the weighted auxiliary loss."""
        assert isinstance(policy.auxiliary, PositionHead)
        with policy.observer.watched() as encoded:
            loss = super().loss(policy, batch)
        error, distance = policy.auxiliary.loss(encoded, batch)
        return Loss(
            loss.per_sample + self.weight * error,
            {**loss.metrics, "position_error": distance},
        )


def attach(policy: Policy, data: Data, material: Material, seed: int) -> None:
    """Adds the module ``auxiliary`` to a policy, which predicts positions from its images.

    Args:
        policy: Policy on the training device.
        data: Data sets whose suites define the positions in their states.
        material: Material of training, on which the normaliser is fitted.
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
    """Checks that positions can be predicted: the images, the objective and the suites.

    Args:
        data: Data to train on.
        images: Whether the policy observes images.
        objective: Registered name of the objective.

    Raises:
        InputError: If there are no images, the objective is not ``cloning``, or a suite
            does not define positions.
    """
    if not images:
        raise InputError(
            "auxiliary.positions predicts positions from images, and the policy observes"
            " none; observe a camera, or leave it at 0."
        )
    if objective != "cloning":
        raise InputError(
            f"auxiliary.positions needs the objective cloning, not {objective}; leave it"
            " at 0."
        )
    for each in data.sets:
        _suite(each)


def _suite(demonstrations: Demonstrations) -> Any:
    """The suite of a data set, which defines the positions in its states."""
    needed = "auxiliary.positions needs a suite that defines the positions in states"
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
    """1 for components of a task's state that are positions, 0 for others; (task, state)."""
    shown = torch.zeros(len(data.tasks), state)
    for number, each in enumerate(data.sets):
        made = _suite(each)
        for task, index in zip(each.tasks, data.task_indices(number), strict=True):
            positions: Mapping[str, slice] = made.positions(task)
            for components in (*positions.values(), goal_place(made, task)):
                if components is not None:
                    shown[int(index), components] = 1
    return shown
