"""The contract of pre-training objectives, which shape features, not actions.

They train the features of a policy, from which its action head predicts, and what makes
them: encoders of pictures, stem and trunk. A training that starts from the policy, or a
method of adaptation, learns the head.
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
    """Nothing is inferred from demonstrations."""
    reads_actions: ClassVar[bool] = False
    """Whether actions are learned from; where not, episodes without actions serve."""
    continued: ClassVar[str] = "cloning"
    """The objective of a training that starts from the policy, where none is given."""

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses an architecture without features that a head reads; see ``Particular``.

        Raises:
            InputError: If it has none; names those that have.
        """
        if not issubclass(policy, HeadPolicy):
            fitting = [n for n in POLICIES.own() if issubclass(_class(n), HeadPolicy)]
            raise InputError(
                f"Policy '{name}' has no features apart from its actions, so that no"
                f" pre-training fits it; pre-train one of {', '.join(fitting)}."
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
    def least(self) -> int:
        """Fewest frames of an episode that clips are drawn from."""
        return self.count

    def draws(self, material: Material, config: TrainConfig) -> ClipSampler:
        """Clips of episodes, of every task as many."""
        return ClipSampler(
            material,
            self.times,
            count=self.count,
            least=self.least,
            seed=config.seed,
        )

    def validation(self, material: Material) -> Iterator[Clips]:
        """A few batches of clips of held-out episodes; none without any."""
        return held_out_clips(material, self.times, count=self.count, least=self.least)

    @abstractmethod
    def meta(self, policy: Policy) -> nn.Module:
        """The module that is learned beside the policy, such as a projection."""

    @abstractmethod
    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The loss of each clip."""


def pretrainings() -> list[str]:
    """Names of the objectives that pre-train, without those of other distributions."""
    return [n for n in OBJECTIVES.own() if issubclass(OBJECTIVES.get(n), Pretraining)]


def width_of(policy: Policy) -> int:
    """Length of the features of a policy."""
    assert isinstance(policy, HeadPolicy)  # See ``Pretraining.check``.
    return policy.head.linear.in_features


def features_of(policy: Policy, batch: Batch) -> Tensor:
    """The features of frames, each conditioned on the task of a frame drawn at random.

    Its own would tell frames of different tasks apart without a look at them. So features
    are learned that are there whatever the instruction.

    Args:
        policy: Has an action head.
        batch: The frames; (frame, …).

    Returns:
        In float32; (frame, width).
    """
    order = torch.randperm(len(batch.task), device=batch.task.device)
    features: Tensor = policy(batch.observation, batch.task_embedding[order])
    return features.float()


def clip_features(policy: Policy, clips: Clips) -> Tensor:
    """The features of clips; see ``features_of``. (clip, time, width)."""
    features = features_of(policy, clips.batch)
    return rearrange(features, "(clip time) x -> clip time x", time=clips.times)


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two layers, of which the first is rectified."""
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, outputs))


def _class(name: str) -> type[Policy]:
    made: type[Policy] = POLICIES.get(name)
    return made
