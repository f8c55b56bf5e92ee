"""Several linear layers of one shape as one, for networks that run side by side."""

import torch
from einops import rearrange
from torch import Tensor, nn


class ParallelLinear(nn.Linear):
    """One linear layer for each of several networks, in one product.

    Their matrices stand on each other in one weight, so that what treats linear layers,
    such as ``lora``, treats these as one with many outputs.

    Args:
        networks: How many there are.
        inputs: Length of what each reads.
        outputs: Length of what each gives.
    """

    def __init__(self, networks: int, inputs: int, outputs: int) -> None:
        super().__init__(inputs, networks * outputs)
        self.networks = networks

    def forward(self, input: Tensor) -> Tensor:
        """Each network's own; (network, batch, input) -> (network, batch, output)."""
        weight = rearrange(
            self.weight, "(n output) input -> n output input", n=self.networks
        )
        bias = rearrange(self.bias, "(n output) -> n 1 output", n=self.networks)
        return torch.einsum("nbi,noi->nbo", input, weight) + bias
