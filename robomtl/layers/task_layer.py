"""The first layer of everything that reads the task embedding."""

import torch
from torch import nn


def task_layer(embedding: int, width: int) -> nn.Linear:
    """The layer that reads the task embedding; a learned vector where there is none.

    It starts as that of a single input would: a bias of zeros, as PyTorch has it for none,
    would not learn where it is multiplied by or normalised.

    Args:
        embedding: Length of the task embedding; 0 for none.
        width: Length of what the layer gives.
    """
    layer = nn.Linear(max(embedding, 1), width)
    if not embedding:
        layer.in_features = 0
        layer.weight = nn.Parameter(torch.zeros(width, 0))
    return layer
