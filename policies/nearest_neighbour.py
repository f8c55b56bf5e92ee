"""Takes what was done where it looked most like here."""

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
    """How many remembered steps decide."""

    neighbours: int = 1
    """Steps whose actions are averaged; all where fewer are remembered."""

    def __post_init__(self) -> None:
        """Checks the number.

        Raises:
            InputError: If it is not positive.
        """
        if self.neighbours < 1:
            raise InputError(f"neighbours is {self.neighbours}; give at least 1.")


class NearestNeighbour(RememberingPolicy):
    """Averages the actions of the remembered steps that are nearest in state.

    Args:
        config: How many of them.
        spec: Sizes of what it reads and writes.
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
        """Length of that by which steps are compared."""
        return self.spec.inputs

    def key(self, observation: Mapping[str, Tensor], task_embedding: Tensor) -> Tensor:
        """That by which steps are compared: the standardised state; (batch, key)."""
        standardised: Tensor = self.observed(observation, task_embedding)
        return standardised

    def remember(self, episodes: Sequence[Batch]) -> None:
        """Remembers every step; see ``RememberingPolicy``."""
        keys = [self.key(each.observation, each.task_embedding) for each in episodes]
        actions = [each.action[:, 0] for each in episodes]
        self.remembered.fill({"key": torch.cat(keys), "action": torch.cat(actions)})

    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """The action by ``locally_weighted``; see ``Policy``."""
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

    Locally weighted regression as Pari et al. 2021 (arXiv:2112.01511) have it:
    a = sum_k a_k exp(-|e - e_k|) / sum_k exp(-|e - e_k|), over the nearest keys e_k.

    Args:
        query: Shape (batch, key).
        key: Shape (step, key).
        value: Shape (step, value).
        neighbours: How many keys are taken; all if there are fewer.

    Returns:
        Shape (batch, value).
    """
    # By matrix products, the distance of a key to itself would not be 0.
    distance = torch.cdist(query, key, compute_mode="donot_use_mm_for_euclid_dist")
    near = distance.topk(min(neighbours, len(key)), dim=-1, largest=False)
    weight = torch.softmax(-near.values, dim=-1)
    return einsum(
        weight,
        value[near.indices],
        "batch neighbour, batch neighbour value -> batch value",
    )
