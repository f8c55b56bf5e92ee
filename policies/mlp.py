"""A multi-layer perceptron over the observation and the task, side by side."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomtl.action_head import ActionHead, LossName
from robomtl.policy import Batch, Loss, Memory, Policy, Spec


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """Sizes and loss of the ``mlp`` policy."""

    width: int = 512
    """Units of each hidden layer."""
    layers: int = 3
    """Number of hidden layers."""
    task_width: int = 128
    """Length to which the task embedding is encoded."""
    chunk: int = 1
    """Number of actions predicted at once."""
    loss: LossName = "l1"
    """What is minimised: l1, l2 or the gaussian negative log-likelihood."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            ValueError: If a size is not positive.
        """
        if min(self.width, self.layers, self.task_width, self.chunk) < 1:
            raise ValueError(
                f"{self}: width, layers, task_width and chunk take 1 or more."
            )


class MLP(Policy):
    """Concatenates the standardised observation with the encoded task embedding."""

    Config = MLPConfig

    def __init__(self, config: MLPConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.encoder = nn.Linear(spec.embedding, config.task_width)
        widths = [spec.state + config.task_width] + [config.width] * config.layers
        self.trunk = nn.Sequential(
            *(
                layer
                for inputs, outputs in zip(widths, widths[1:], strict=False)
                for layer in (
                    nn.Linear(inputs, outputs),
                    nn.LayerNorm(outputs),
                    nn.GELU(),
                )
            )
        )
        self.head = ActionHead(
            config.width, action=spec.action, chunk=config.chunk, loss=config.loss
        )

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, width)."""
        state = self.normaliser(observation["state"])
        told = torch.cat([state, self.encoder(task_embedding)], dim=-1)
        features: Tensor = self.trunk(told)
        return features

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
        return self.head(self(observation, task_embedding)), memory
