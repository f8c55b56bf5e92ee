"""DANN: features from which a discriminator cannot tell the domain of a sample.

Source: Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks"
(arXiv:1505.07818), equations 9 to 14: the discriminator's gradient is reversed, and scaled
by a factor that rises over the training. Departures:

1. The discriminator reads the task embedding together with the features, so that it
   distinguishes domains within a task and not by the tasks that each domain has
   (Long et al. 2018, arXiv:1705.10667).
2. Features are the inputs of the action head.
3. The discriminator's loss is the mean of those of both domains, where equation 9 adds them
   up; ``weight`` scales the loss that the discriminator minimises as well.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HeadPolicy
from robomtl.errors import InputError
from robomtl.policy import Policy
from robomtl.training.domains import Domains, Features, TargetDomain

_STEEPNESS = 10.0  # Steepness of the rise of the factor, γ in section 5.2.2.


class Discriminator(nn.Module):
    """Classifies the domain of samples from their features and task embedding.

    Args:
        features: Length of the features.
        task: Length of the task embedding.
        width: Units of the hidden layer.
    """

    def __init__(self, features: int, task: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features + task, width), nn.GELU(), nn.Linear(width, 1)
        )

    def forward(self, features: Tensor, task_embedding: Tensor) -> Tensor:
        """Logit of each sample's being from the target domain; (sample,).

        Args:
            features: (sample, features).
            task_embedding: (sample, task).
        """
        logit: Tensor = self.layers(torch.cat([features, task_embedding], dim=-1))
        return logit.squeeze(-1).float()


@dataclass(frozen=True, kw_only=True)
class Dann(TargetDomain):
    """Behaviour cloning with domain-adversarial features."""

    width: int = 128
    """Units of the discriminator's hidden layer."""

    def __post_init__(self) -> None:
        """Checks the weight and the width.

        Raises:
            InputError: If one is out of range.
        """
        super().__post_init__()
        if self.width < 1:
            raise InputError(f"width is {self.width}; give at least 1.")

    def meta(self, policy: Policy) -> Discriminator | None:  # type: ignore[override]
        """The discriminator; None for a policy without an action head."""
        if not isinstance(policy, HeadPolicy):
            return None  # Refused by ``check``.
        width = policy.head.linear.in_features
        return Discriminator(width, policy.spec.embedding, self.width)

    def alignment(
        self, policy: HeadPolicy, features: Features, batch: Domains
    ) -> Tensor:
        """Loss of the discriminator; its gradient is reversed for the features; ()."""
        assert policy.meta is not None
        rate = reversal(batch.progress)
        losses = [
            functional.binary_cross_entropy_with_logits(
                logit := policy.meta(
                    reversed_gradient(each, rate), samples.task_embedding
                ),
                torch.full_like(logit, domain),
            )
            for domain, (each, samples) in enumerate(
                zip(features, (batch.batch, batch.target), strict=True)
            )
        ]
        return torch.stack(losses).mean()


def reversal(progress: Tensor) -> Tensor:
    """Factor of the reversed gradient, from 0 to 1 over a training; section 5.2.2.

    Args:
        progress: Fraction of the training completed; ().
    """
    return 2 / (1 + torch.exp(-_STEEPNESS * progress)) - 1


def reversed_gradient(features: Tensor, rate: Tensor) -> Tensor:
    """The features, with their gradient multiplied by ``-rate``; (sample, width)."""
    return features.detach() * (1 + rate) - features * rate
