"""The last layer of a policy: features to a chunk of actions, and its loss."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.policy import EMBODIMENT, Batch, Loss, Memory, Policy

LossName = Literal["l1", "l2", "gaussian"]

# Bounds of the log-deviation: demonstrations repeat actions exactly, and an unbounded
# likelihood would grow without limit there.
_LEAST, _MOST = -3.0, 1.0


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """What the configs of policies that end in an ``ActionHead`` have in common."""

    task_width: int = 128
    """Length to which the task embedding is encoded."""
    chunk: int = 1
    """Number of actions predicted at once."""
    loss: LossName = "l1"
    """What is minimised: l1, l2 or the gaussian negative log-likelihood."""

    def __post_init__(self) -> None:
        """Checks the sizes, also those that an architecture adds.

        Raises:
            InputError: If a size is not positive.
        """
        sizes = {f.name: getattr(self, f.name) for f in fields(self)}
        sizes = {name: size for name, size in sizes.items() if isinstance(size, int)}
        if min(sizes.values()) < 1:
            raise InputError(f"{self}: {', '.join(sizes)} take 1 or more.")


class ActionHead(nn.Module):
    """Predicts a chunk of actions from features and scores it against demonstrations.

    Args:
        width: Length of the features.
        action: Length of an action; of each robot's where there are several. Each has
            then outputs of its own, of which its samples take theirs.
        chunk: Number of actions predicted at once.
        loss: ``l1`` or ``l2`` error, or the negative log-likelihood of a ``gaussian``
            with a predicted diagonal deviation.

    Raises:
        InputError: If the chunk is empty or the loss unknown.
    """

    def __init__(
        self, width: int, *, action: int | Sequence[int], chunk: int, loss: LossName
    ) -> None:
        super().__init__()
        if chunk < 1:
            raise InputError(f"chunk is {chunk}; a policy predicts at least 1 action.")
        if loss not in get_args(LossName):
            raise InputError(unknown("loss", loss, get_args(LossName)))
        lengths = [action] if isinstance(action, int) else list(action)
        self.action, self.chunk, self.loss_name = sum(lengths), chunk, loss
        outputs = 2 if loss == "gaussian" else 1
        self.linear = nn.Linear(width, outputs * chunk * self.action)
        self.own: Tensor | None
        self.register_buffer("own", _own(lengths), persistent=False)

    def forward(self, features: Tensor, robot: Tensor | None = None) -> Tensor:
        """The most likely actions within [-1, 1].

        Args:
            features: (batch, width).
            robot: Index of each sample's robot, where there are several; (batch,).

        Returns:
            (batch, chunk, action), of which those that a robot lacks are zeros.
        """
        outputs = self._outputs(self.linear(features), robot)[0]
        return outputs.clamp(-1.0, 1.0)

    def loss(self, features: Tensor, batch: Batch) -> Loss:
        """The loss of each sample, a mean over the steps within its episode."""
        return self.score(self.linear(features), batch)

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """The loss of what the linear layer gives; (batch, output chunk action)."""
        robot = batch.observation.get(EMBODIMENT)
        outputs = self._outputs(predicted, robot)
        error = outputs[0] - batch.action
        if self.loss_name == "l1":
            elements = error.abs()
        elif self.loss_name == "l2":
            elements = error.square()
        else:
            log_deviation = _LEAST + (_MOST - _LEAST) * outputs[1].sigmoid()
            elements = gaussian_nll(error, log_deviation)
        has = None if self.own is None or robot is None else self.own[robot] >= 0
        per_sample = masked_mean(elements, batch.mask, has)
        distance = masked_mean(error.detach().abs(), batch.mask, has).mean()
        return Loss(per_sample, {"action_error": distance})

    def _outputs(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        outputs: Tensor = rearrange(
            predicted.float(),
            "batch (output chunk action) -> output batch chunk action",
            chunk=self.chunk,
            action=self.action,
        )
        if self.own is None:
            return outputs
        assert robot is not None
        own = self.own[robot][:, None].expand(*outputs.shape[:-1], -1)
        return outputs.gather(-1, own.clamp(min=0)) * (own >= 0)


class HeadPolicy(Policy):
    """A policy whose ``forward`` gives features, from which its ``head`` predicts."""

    head: ActionHead

    def loss(self, batch: Batch) -> Loss:
        """The head's loss of each sample; see ``Policy``."""
        return self.head.loss(self(batch.observation, batch.task_embedding), batch)

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """The head's most likely chunk; see ``Policy``."""
        features = self(observation, task_embedding)
        return self.head(features, observation.get(EMBODIMENT)), memory


def _own(lengths: Sequence[int]) -> Tensor | None:
    """Which outputs are each robot's, in order, then -1; None for a single robot.

    Returns:
        (robot, action).
    """
    if len(lengths) == 1:
        return None
    own = torch.full((len(lengths), max(lengths)), -1)
    for robot, length in enumerate(lengths):
        own[robot, :length] = torch.arange(length) + sum(lengths[:robot])
    return own


def masked_mean(elements: Tensor, mask: Tensor, has: Tensor | None = None) -> Tensor:
    """The mean over action and over the steps whose mask is 1.

    Divides by the number of valid steps, not of all: padding must not make the ends of
    episodes count less.

    Args:
        elements: Shape (batch, chunk, action).
        mask: Shape (batch, chunk), with at least one 1 in each row.
        has: Which components of an action a sample's robot has, (batch, action); all by
            default.

    Returns:
        Shape (batch,).
    """
    if has is None:
        steps = reduce(elements, "batch chunk action -> batch chunk", "mean")
    else:
        steps = (elements * has[:, None]).sum(-1) / has.sum(-1, keepdim=True)
    return (steps * mask).sum(1) / mask.sum(1)


def gaussian_nll(error: Tensor, log_deviation: Tensor) -> Tensor:
    """The negative log-density of an error under a centred Gaussian, element by element."""
    scaled = error * torch.exp(-log_deviation)
    return 0.5 * scaled.square() + log_deviation + 0.5 * math.log(2 * math.pi)
