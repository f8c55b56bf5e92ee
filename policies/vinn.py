"""Takes what was done where the features of a trained policy were most like here's.

Source: Pari et al. 2021, "The Surprising Effectiveness of Representation Learning for
Visual Imitation" (VINN, arXiv:2112.01511). Departure from the paper:

1. The features are not those of an image encoder trained without actions, but those from
   which the head of a trained policy predicts, given its task embedding.
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
    """Which policy's features are compared."""

    base: str = "film"
    """Registered name of its architecture."""
    base_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config."""


class VINN(NearestNeighbour):
    """Averages the actions of the remembered steps with the nearest features.

    Args:
        config: The policy whose features are compared, and how many steps count.
        spec: Sizes of what it reads and writes.

    Raises:
        ValueError: If that policy does not predict by a head from features.
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
        """The features from which the head predicts; (batch, key). Departure 1."""
        features: Tensor = self.base(observation, task_embedding)
        return features


def _built(config: VINNConfig, spec: Spec) -> HeadPolicy:
    architecture = POLICIES.get(config.base)
    if not issubclass(architecture, HeadPolicy):
        raise InputError(
            f"Policy '{config.base}' has no features from which a head predicts; vinn"
            " takes policies that do, such as film."
        )
    made: Policy = architecture(
        checkpoint.configure(config.base, config.base_config), spec
    )
    assert isinstance(made, HeadPolicy)
    return made
