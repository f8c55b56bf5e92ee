"""Deep CORAL: aligns the covariances of features in two domains, task by task.

Source: Sun and Saenko 2016, "Deep CORAL: Correlation Alignment for Deep Domain
Adaptation" (arXiv:1607.01719), equations 1 to 3. Departures:

1. Covariances are compared within each task and the losses averaged: covariances over all
   tasks would mix differences between tasks with differences between domains.
2. Features are the inputs of the action head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from robomtl.action_head import HeadPolicy
from robomtl.training.domains import Domains, Features, TargetDomain

_FEWEST = 2  # Samples that a covariance needs.


@dataclass(frozen=True, kw_only=True)
class Coral(TargetDomain):
    """Behaviour cloning with CORAL alignment to a target domain."""

    def alignment(
        self, policy: HeadPolicy, features: Features, batch: Domains
    ) -> Tensor:
        """Mean over tasks of the CORAL loss; (). Tasks with too few samples are left out."""
        own, other = batch.batch.task, batch.target.task
        losses = [
            coral(features.source[own == task], features.target[other == task])
            for task in torch.unique(own)
            if min((own == task).sum(), (other == task).sum()) >= _FEWEST
        ]
        return torch.stack(losses).mean() if losses else features.source.new_zeros(())


def coral(source: Tensor, target: Tensor) -> Tensor:
    """CORAL loss ‖C_S − C_T‖² / 4d² between the covariances of features; equation 1.

    Args:
        source: Features of at least 2 samples, in float32; (sample, d).
        target: Features of at least 2 samples, in float32; (sample, d).

    Returns:
        Shape (), in float32.
    """
    # In bfloat16 the difference of similar covariances would be rounding error.
    with torch.autocast(source.device.type, enabled=False):
        difference = torch.cov(source.T) - torch.cov(target.T)
    return difference.square().sum() / (4 * source.shape[1] ** 2)
