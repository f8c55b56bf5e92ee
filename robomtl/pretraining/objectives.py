"""Base class of pre-training objectives, which train features and not actions.

They train the layers that compute the features of a policy, the input of its action head:
image encoders, stem and trunk. The head is trained by a training that starts from the
policy, or by a method of adaptation.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn

from robomtl.action_head import HeadPolicy
from robomtl.errors import InputError
from robomtl.policy import POLICIES, Batch, Loss, Policy
from robomtl.pretraining.clips import Clips, ClipSampler, Times, held_out_clips
from robomtl.training.config import TrainConfig
from robomtl.training.objective import OBJECTIVES, Material


@dataclass(frozen=True, kw_only=True)
class Pretraining(ABC):
    """Trains the features of a policy on clips of episodes, without its action head."""

    demonstration: ClassVar[int] = 0
    """Length of what is inferred from demonstrations: 0, as nothing is."""
    reads_actions: ClassVar[bool] = False
    """Whether actions are read; if not, episodes without actions can be used."""
    continued: ClassVar[str] = "cloning"
    """Default objective of a training that starts from the policy."""

    def check(self, name: str, policy: type[Policy]) -> None:
        """Checks that an architecture has features and an action head; see ``RestrictedObjective``.

        Raises:
            InputError: If it has none; the message names architectures that have.
        """
        if not issubclass(policy, HeadPolicy):
            fitting = [
                n for n in POLICIES.built_in() if issubclass(_class(n), HeadPolicy)
            ]
            raise InputError(
                f"Policy '{name}' has no features apart from its actions, so that it cannot"
                f" be pre-trained; pre-train one of {', '.join(fitting)}."
            )

    @property
    @abstractmethod
    def times(self) -> Times:
        """Draws the steps of clips."""

    @property
    @abstractmethod
    def count(self) -> int:
        """Frames in a clip."""

    @property
    def min_length(self) -> int:
        """Number of frames that an episode must have for clips to be drawn from it."""
        return self.count

    def draws(self, material: Material, config: TrainConfig) -> ClipSampler:
        """Batches of clips of episodes, with tasks equally likely.

        Raises:
            InputError: If no episode is long enough.
        """
        return ClipSampler(
            material,
            self.times,
            count=self.count,
            min_length=self.min_length,
            seed=config.seed,
        )

    def validation(self, material: Material) -> Iterator[Clips]:
        """A few batches of clips of held-out episodes; none if no episode is long enough."""
        return held_out_clips(
            material, self.times, count=self.count, min_length=self.min_length
        )

    @abstractmethod
    def meta(self, policy: Policy) -> nn.Module:
        """The module that is trained beside the policy, such as a projection."""

    @abstractmethod
    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The loss of each clip."""


def pretrainings() -> list[str]:
    """Names of the pre-training objectives of robomtl itself."""
    return [
        n for n in OBJECTIVES.built_in() if issubclass(OBJECTIVES.get(n), Pretraining)
    ]


def width_of(policy: Policy) -> int:
    """Length of the features of a policy."""
    assert isinstance(policy, HeadPolicy)  # See ``Pretraining.check``.
    return policy.head.linear.in_features


def features_of(policy: Policy, batch: Batch) -> Tensor:
    """The features of frames, each conditioned on the task of a random frame of the batch.

    A frame's own task would distinguish frames of different tasks without the observation.
    The features that are learned do not depend on the instruction.

    Args:
        policy: Policy with an action head.
        batch: Frames; (frame, …).

    Returns:
        Features in float32; (frame, width).
    """
    order = torch.randperm(len(batch.task), device=batch.task.device)
    features: Tensor = policy(batch.observation, batch.task_embedding[order])
    return features.float()


def clip_features(policy: Policy, clips: Clips) -> Tensor:
    """The features of clips, see ``features_of``; (clip, time, width)."""
    features = features_of(policy, clips.batch)
    return rearrange(features, "(clip time) x -> clip time x", time=clips.times)


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Multilayer perceptron with one hidden layer and GELU."""
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs))


def _class(name: str) -> type[Policy]:
    made: type[Policy] = POLICIES.get(name)
    return made
