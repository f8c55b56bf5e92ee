"""Several linear layers of the same shape as one module, for networks run in parallel."""

import torch
from einops import rearrange
from torch import Tensor, nn


class ParallelLinear(nn.Linear):
    """A linear layer for each of several networks, computed in one product.

    The weight matrices are stacked along the output axis, so that code for ``nn.Linear``,
    such as the method ``lora``, treats this as one layer with many outputs.

    Args:
        networks: Number of networks.
        inputs: Input length of each layer.
        outputs: Output length of each layer.
    """

    def __init__(self, networks: int, inputs: int, outputs: int) -> None:
        super().__init__(inputs, networks * outputs)
        self.networks = networks

    def forward(self, input: Tensor) -> Tensor:
        """Outputs of all layers; (network, batch, input) -> (network, batch, output)."""
        weight = rearrange(
            self.weight, "(n output) input -> n output input", n=self.networks
        )
        bias = rearrange(self.bias, "(n output) -> n 1 output", n=self.networks)
        return torch.einsum("nbi,noi->nbo", input, weight) + bias
