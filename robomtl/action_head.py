"""The last part of a policy: features to a chunk of actions, and its loss."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from einops import rearrange, reduce
from torch import Tensor, nn

from robomtl.catalogue import Registry
from robomtl.errors import InputError
from robomtl.policy import EMBODIMENT, Batch, Loss, Memory, Policy, Spec
from robomtl.ranges import check_sizes


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """What the configs of policies that end in an ``ActionHead`` have in common."""

    task_width: int = 128
    """Length to which the task embedding is encoded."""
    chunk: int = 1
    """Number of actions predicted at once."""
    loss: str = "l1"
    """Action head: l1, l2, gaussian, mixture, bins, flow or diffusion."""
    modes: int = 5
    """Gaussians of the head ``mixture``."""
    bins: int = 256
    """Values that the head ``bins`` distinguishes in each component of an action."""
    sampling_steps: int = 10
    """Steps from noise to actions, of the heads ``flow`` and ``diffusion``."""
    noise_levels: int = 100
    """Levels of noise that the head ``diffusion`` learns to remove."""
    head_width: int = 256
    """Units of each block of the heads ``flow`` and ``diffusion``."""
    head_blocks: int = 3
    """Residual blocks of the heads ``flow`` and ``diffusion``."""

    def __post_init__(self) -> None:
        """Checks the sizes, also those that an architecture adds, and the head.

        Raises:
            InputError: If a size is not positive, the head is unknown or cannot be built
                with these settings.
        """
        check_sizes(self)
        HEADS.get(self.loss).check(self)


class ActionHead(nn.Module, ABC):
    """Predicts a chunk of actions from features and scores it against demonstrations.

    A head reads the features by one linear layer and nothing else, so that a policy may
    have several such layers, one for each task say, before one head. Where robots have
    different actions, each has components of its own in what the head predicts.

    Args:
        width: Length of the features.
        config: Length of a chunk, and the settings of the head.
        spec: Lengths of the robots' actions.
        outputs: Length of what the linear layer gives.
    """

    solvable: ClassVar[bool] = False
    """Whether the first outputs of the linear layer are the mean of the actions, which
    methods of adaptation may solve for."""
    signed: ClassVar[bool] = False
    """Whether the loss may be negative, as the logarithm of a density may."""

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """A head of a kind.

        Raises:
            InputError: If no kind is named; earlier versions took it as an argument.
        """
        if cls is ActionHead:
            raise InputError(
                "ActionHead is what all heads have in common, and none by itself; call"
                " action_head(width, config, spec) of robomtl.action_head, which builds"
                f" the head that config.loss names: {', '.join(HEADS.names())}."
            )
        return super().__new__(cls)

    def __init__(
        self, width: int, config: HeadConfig, spec: Spec, *, outputs: int
    ) -> None:
        super().__init__()
        self.chunk, self.action = config.chunk, sum(spec.actions)
        self.linear = nn.Linear(width, outputs)
        self.own: Tensor | None
        self.register_buffer("own", _own(spec.actions), persistent=False)

    @classmethod
    def check(cls, config: HeadConfig) -> None:
        """Refuses settings with which the head cannot be built.

        Raises:
            InputError: Naming the settings that fit.
        """

    def forward(self, features: Tensor, robot: Tensor | None = None) -> Tensor:
        """The actions to take, within [-1, 1].

        Args:
            features: (batch, width).
            robot: Index of each sample's robot, where there are several; (batch,).

        Returns:
            (batch, chunk, action), of which those that a robot lacks are zeros.
        """
        return self.actions(self.linear(features), robot)

    def loss(self, features: Tensor, batch: Batch) -> Loss:
        """The loss of each sample, a mean over the steps within its episode."""
        return self.score(self.linear(features), batch)

    @abstractmethod
    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """The actions to take, from what the linear layer gives; see ``forward``."""

    @abstractmethod
    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """The loss of each sample, from what the linear layer gives; see ``loss``."""

    def components(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """Outputs for each component of the sample's robot, zeros where it has none.

        Args:
            predicted: Outputs for the components of all robots; (batch, output · chunk ·
                components).
            robot: See ``forward``.

        Returns:
            In float32; (output, batch, chunk, action).
        """
        outputs: Tensor = rearrange(
            predicted.float(),
            "batch (output chunk action) -> output batch chunk action",
            chunk=self.chunk,
            action=self.action,
        )
        return self.gathered(outputs, robot)

    def gathered(self, values: Tensor, robot: Tensor | None) -> Tensor:
        """Of components of all robots those of the sample's; zeros where it has none.

        Args:
            values: (…, batch, chunk, components).
            robot: See ``forward``.

        Returns:
            (…, batch, chunk, action).
        """
        if self.own is None:
            return values
        assert robot is not None
        own = self.own[robot][:, None].expand(*values.shape[:-1], -1)
        return values.gather(-1, own.clamp(min=0)) * (own >= 0)

    def scattered(self, action: Tensor, robot: Tensor | None) -> Tensor:
        """Actions in the places of the sample's robot, zeros in those of all others.

        Args:
            action: (batch, chunk, action).
            robot: See ``forward``.

        Returns:
            (batch, chunk, components).
        """
        if self.own is None:
            return action
        assert robot is not None
        own = self.own[robot][:, None].expand_as(action)
        zeros = action.new_zeros(*action.shape[:-1], self.action)
        return zeros.scatter_add(-1, own.clamp(min=0), action * (own >= 0))

    def has(self, robot: Tensor | None) -> Tensor | None:
        """Which components of an action a sample's robot has; (batch, action)."""
        return None if self.own is None or robot is None else self.own[robot] >= 0


HEADS: Registry[type[ActionHead]] = Registry(
    "head",
    "robomtl.heads",
    {
        "bins": "robomtl.heads.bins:Bins",
        "diffusion": "robomtl.heads.diffusion:DiffusionHead",
        "flow": "robomtl.heads.flow:FlowHead",
        "gaussian": "robomtl.heads.regression:Gaussian",
        "l1": "robomtl.heads.regression:L1",
        "l2": "robomtl.heads.regression:L2",
        "mixture": "robomtl.heads.gaussian_mixture:Mixture",
    },
)
"""Classes of action heads, built from a width, a ``HeadConfig`` and a ``Spec``."""


def action_head(width: int, config: HeadConfig, spec: Spec) -> ActionHead:
    """The head that a config names.

    Args:
        width: Length of the features.
        config: Names the head, the chunk's length and the settings of the head.
        spec: Lengths of the robots' actions.
    """
    built: type[ActionHead] = HEADS.get(config.loss)
    return built(width, config, spec)  # type: ignore[call-arg]


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
        """The head's chunk; see ``Policy``."""
        features = self(observation, task_embedding)
        return self.head(features, observation.get(EMBODIMENT)), memory


def _own(lengths: Sequence[int]) -> Tensor | None:
    """Which components are each robot's, in order, then -1; None for a single robot.

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
