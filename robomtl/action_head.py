"""Action heads: the last part of a policy, from features to a chunk of actions."""

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
    """Settings shared by all policies that end in an ``ActionHead``."""

    task_width: int = 128
    """Length to which the task embedding is encoded."""
    chunk: int = 1
    """Number of actions predicted at once."""
    loss: str = "l1"
    """Action head: l1, l2, gaussian, mixture, bins, flow or diffusion."""
    modes: int = 5
    """Number of Gaussians of the head ``mixture``."""
    bins: int = 256
    """Number of bins per action component of the head ``bins``."""
    sampling_steps: int = 10
    """Denoising steps of the heads ``flow`` and ``diffusion``."""
    noise_levels: int = 100
    """Noise levels on which the head ``diffusion`` is trained."""
    head_width: int = 256
    """Units of each block of the heads ``flow`` and ``diffusion``."""
    head_blocks: int = 3
    """Number of residual blocks of the heads ``flow`` and ``diffusion``."""

    def __post_init__(self) -> None:
        """Checks all sizes, including those that a subclass adds, and the head.

        Raises:
            InputError: If a size is not positive, or the head is unknown or cannot be
                built with these settings.
        """
        check_sizes(self)
        HEADS.get(self.loss).check(self)


class ActionHead(nn.Module, ABC):
    """Predicts a chunk of actions from features and scores it against demonstrations.

    A head reads the features through one linear layer only, so that a policy may put
    several such layers, for example one per task, before a shared head. With several
    robots, the head predicts the actions of all robots side by side, each robot with its
    own components.

    Args:
        width: Length of the features.
        config: Length of a chunk, and the settings of the head.
        spec: Lengths of the robots' actions.
        outputs: Number of outputs of the linear layer.
    """

    solvable: ClassVar[bool] = False
    """Whether the first outputs of the linear layer are the mean of the actions, for
    which adaptation methods can solve in closed form."""
    signed: ClassVar[bool] = False
    """Whether the loss can be negative, as a negative log density can."""

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Creates a head of a subclass.

        Raises:
            InputError: If ``ActionHead`` itself is called, as in earlier versions, which
                took the kind of head as an argument.
        """
        if cls is ActionHead:
            raise InputError(
                "ActionHead is the abstract base class of all heads; call"
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
        self.component_indices: Tensor | None
        self.register_buffer(
            "component_indices", _component_indices(spec.actions), persistent=False
        )

    @classmethod
    def check(cls, config: HeadConfig) -> None:
        """Refuses settings with which the head cannot be built.

        Raises:
            InputError: If the head cannot be built; the message names valid settings.
        """

    def forward(self, features: Tensor, robot: Tensor | None = None) -> Tensor:
        """The predicted actions, within [-1, 1].

        Args:
            features: (batch, width).
            robot: Index of each sample's robot, where there are several; (batch,).

        Returns:
            (batch, chunk, action); components that a sample's robot lacks are zeros.
        """
        return self.actions(self.linear(features), robot)

    def loss(self, features: Tensor, batch: Batch) -> Loss:
        """The loss of each sample, averaged over the steps within its episode."""
        return self.score(self.linear(features), batch)

    @abstractmethod
    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """The predicted actions from the outputs of the linear layer; see ``forward``."""

    @abstractmethod
    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """The loss of each sample from the outputs of the linear layer; see ``loss``."""

    def components(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """Outputs for the action components of each sample's robot, padded with zeros.

        Args:
            predicted: Outputs for the components of all robots; (batch, output · chunk ·
                components).
            robot: See ``forward``.

        Returns:
            (output, batch, chunk, action), in float32.
        """
        outputs: Tensor = rearrange(
            predicted.float(),
            "batch (output chunk action) -> output batch chunk action",
            chunk=self.chunk,
            action=self.action,
        )
        return self.gathered(outputs, robot)

    def gathered(self, values: Tensor, robot: Tensor | None) -> Tensor:
        """Selects the components of each sample's robot, padded with zeros.

        Args:
            values: (…, batch, chunk, components).
            robot: See ``forward``.

        Returns:
            (…, batch, chunk, action).
        """
        if self.component_indices is None:
            return values
        assert robot is not None
        indices = self.component_indices[robot][:, None].expand(*values.shape[:-1], -1)
        return values.gather(-1, indices.clamp(min=0)) * (indices >= 0)

    def scattered(self, action: Tensor, robot: Tensor | None) -> Tensor:
        """Puts actions at the components of each sample's robot, zeros elsewhere.

        Args:
            action: (batch, chunk, action).
            robot: See ``forward``.

        Returns:
            (batch, chunk, components).
        """
        if self.component_indices is None:
            return action
        assert robot is not None
        indices = self.component_indices[robot][:, None].expand_as(action)
        zeros = action.new_zeros(*action.shape[:-1], self.action)
        return zeros.scatter_add(-1, indices.clamp(min=0), action * (indices >= 0))

    def component_mask(self, robot: Tensor | None) -> Tensor | None:
        """Mask of the action components that each sample's robot has; (batch, action).

        None if there is a single robot.
        """
        return (
            None
            if self.component_indices is None or robot is None
            else self.component_indices[robot] >= 0
        )


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
    """Builds the head that a config names.

    Args:
        width: Length of the features.
        config: Name of the head, length of a chunk, and the settings of the head.
        spec: Lengths of the robots' actions.
    """
    built: type[ActionHead] = HEADS.get(config.loss)
    return built(width, config, spec)  # type: ignore[call-arg]


class HeadPolicy(Policy):
    """A policy whose ``forward`` returns the features that its ``head`` reads."""

    head: ActionHead

    def loss(self, batch: Batch) -> Loss:
        """The head's loss for each sample; see ``Policy``."""
        return self.head.loss(self(batch.observation, batch.task_embedding), batch)

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """The action chunk that the head predicts; see ``Policy``."""
        features = self(observation, task_embedding)
        return self.head(features, observation.get(EMBODIMENT)), memory


def _component_indices(lengths: Sequence[int]) -> Tensor | None:
    """Indices of each robot's components among those of all robots, padded with -1.

    Returns:
        (robot, action); None for a single robot.
    """
    if len(lengths) == 1:
        return None
    indices = torch.full((len(lengths), max(lengths)), -1)
    for robot, length in enumerate(lengths):
        indices[robot, :length] = torch.arange(length) + sum(lengths[:robot])
    return indices


def masked_mean(
    elements: Tensor, mask: Tensor, component_mask: Tensor | None = None
) -> Tensor:
    """The mean over action components and over the steps whose mask is 1.

    The sum is divided by the number of valid steps rather than of all steps, so that
    samples near the end of an episode do not count less.

    Args:
        elements: (batch, chunk, action).
        mask: (batch, chunk), with at least one 1 in each row.
        component_mask: Mask of the action components that each sample's robot has; (batch, action).
            None if it has all.

    Returns:
        (batch,).
    """
    if component_mask is None:
        steps = reduce(elements, "batch chunk action -> batch chunk", "mean")
    else:
        steps = (elements * component_mask[:, None]).sum(-1) / component_mask.sum(
            -1, keepdim=True
        )
    return (steps * mask).sum(1) / mask.sum(1)
