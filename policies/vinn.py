"""VINN: nearest neighbours in the features of a trained policy.

Source: Pari et al. 2021, "The Surprising Effectiveness of Representation Learning for
Visual Imitation" (VINN, arXiv:2112.01511). Departure from the paper:

1. The features are those from which the head of a trained policy predicts, given its task
   embedding, not those of an image encoder trained without actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from robomtl import checkpoint
from robomtl.action_head import HeadPolicy
from robomtl.errors import InputError
from robomtl.policies.nearest_neighbour import NearestNeighbour, NearestNeighbourConfig
from robomtl.policy import POLICIES, Policy, Spec


@dataclass(frozen=True, kw_only=True)
class VINNConfig(NearestNeighbourConfig):
    """Settings of the ``vinn`` policy."""

    base: str = "film"
    """Registered name of the architecture whose features are compared."""
    base_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the architecture's config that differ from the defaults."""


class VINN(NearestNeighbour):
    """Averages the actions of the stored steps that are nearest in features.

    Args:
        config: Architecture of the trained policy, and number of neighbours.
        spec: Sizes of inputs and outputs.

    Raises:
        ValueError: If the architecture does not derive from ``HeadPolicy``.
    """

    Config = VINNConfig

    def __init__(self, config: VINNConfig, spec: Spec) -> None:
        made = _built(config, spec)
        self._key_size = made.head.linear.in_features
        super().__init__(config, spec)
        self.base = made

    @property
    def key_size(self) -> int:
        """Length of the features."""
        return self._key_size

    def key(self, observation: Mapping[str, Tensor], task_embedding: Tensor) -> Tensor:
        """Features from which the head predicts; (batch, key). Departure 1."""
        features: Tensor = self.base(observation, task_embedding)
        return features


def _built(config: VINNConfig, spec: Spec) -> HeadPolicy:
    architecture = POLICIES.get(config.base)
    if not issubclass(architecture, HeadPolicy):
        raise InputError(
            f"Policy '{config.base}' has no features from which an action head predicts;"
            " vinn needs a policy that derives from HeadPolicy, such as film."
        )
    base: Policy = architecture(
        checkpoint.configure(config.base, config.base_config), spec
    )
    assert isinstance(base, HeadPolicy)
    return base
