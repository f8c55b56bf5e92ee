"""The first linear layer of task encoders."""

import torch
from torch import nn


def task_layer(embedding: int, width: int) -> nn.Linear:
    """Linear layer that reads the task embedding; a learned vector if its length is 0.

    For length 0 the bias is initialised as for one input. PyTorch would initialise it to
    zeros, which do not learn if they are multiplied with features or normalised.

    Args:
        embedding: Length of the task embedding; 0 without conditioning.
        width: Output length of the layer.
    """
    layer = nn.Linear(max(embedding, 1), width)
    if not embedding:
        layer.in_features = 0
        layer.weight = nn.Parameter(torch.zeros(width, 0))
    return layer
