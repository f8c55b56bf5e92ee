"""Nearest neighbours: the policy averages the actions of the nearest stored steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange
from torch import Tensor

from robomtl.errors import InputError
from robomtl.layers.remembered import Remembered, RememberingPolicy
from robomtl.policy import Batch, Memory, Spec


@dataclass(frozen=True, kw_only=True)
class NearestNeighbourConfig:
    """Settings of the ``nearest_neighbour`` policy."""

    neighbours: int = 1
    """Number of steps whose actions are averaged; all steps if fewer are stored."""

    def __post_init__(self) -> None:
        """Checks the range.

        Raises:
            InputError: If ``neighbours`` is not positive.
        """
        if self.neighbours < 1:
            raise InputError(f"neighbours is {self.neighbours}; give at least 1.")


class NearestNeighbour(RememberingPolicy):
    """Averages the actions of the stored steps that are nearest in state.

    Args:
        config: Number of neighbours.
        spec: Sizes of inputs and outputs.
    """

    Config: type[Any] = NearestNeighbourConfig

    def __init__(self, config: NearestNeighbourConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.remembered = Remembered(
            {
                "key": torch.zeros(1, self.key_size),
                "action": torch.zeros(1, spec.action),
            },
            axes={"key": "step _", "action": "step _"},
        )

    @property
    def key_size(self) -> int:
        """Length of a key."""
        return self.spec.inputs

    def key(self, observation: Mapping[str, Tensor], task_embedding: Tensor) -> Tensor:
        """Key by which steps are compared: the standardised observation; (batch, key)."""
        standardised: Tensor = self.observed(observation, task_embedding)
        return standardised

    def remember(self, episodes: Sequence[Batch]) -> None:
        """Stores key and action of every step; see ``RememberingPolicy``."""
        keys = [self.key(each.observation, each.task_embedding) for each in episodes]
        actions = [each.action[:, 0] for each in episodes]
        self.remembered.fill({"key": torch.cat(keys), "action": torch.cat(actions)})

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """Action by ``locally_weighted``, as a chunk of one; see ``Policy``."""
        action = locally_weighted(
            self.key(observation, task_embedding),
            self.remembered["key"],
            self.remembered["action"],
            neighbours=self.config.neighbours,
        )
        return rearrange(action, "batch action -> batch 1 action"), memory


def locally_weighted(
    query: Tensor, key: Tensor, value: Tensor, *, neighbours: int
) -> Tensor:
    """Mean of the values of the nearest keys, weighted by exp(-distance).

    Locally weighted regression as in Pari et al. 2021 (arXiv:2112.01511):
    a = sum_k a_k exp(-|e - e_k|) / sum_k exp(-|e - e_k|), over the nearest keys e_k.

    Args:
        query: Shape (batch, key).
        key: Shape (step, key).
        value: Shape (step, value).
        neighbours: Number of keys to average over; all if there are fewer.

    Returns:
        Shape (batch, value).
    """
    # Computed by matrix products, the distance of a key to itself would not be 0.
    distance = torch.cdist(query, key, compute_mode="donot_use_mm_for_euclid_dist")
    near = distance.topk(min(neighbours, len(key)), dim=-1, largest=False)
    weight = torch.softmax(-near.values, dim=-1)
    return einsum(
        weight,
        value[near.indices],
        "batch neighbour, batch neighbour value -> batch value",
    )
