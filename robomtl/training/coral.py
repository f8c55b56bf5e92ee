"""Deep CORAL: features whose covariances agree in both domains, task by task.

Source: Sun and Saenko 2016, "Deep CORAL: Correlation Alignment for Deep Domain
Adaptation" (arXiv:1607.01719), equations 1 to 3. Departures:

1. Covariances are compared within each task and the losses averaged: those over all tasks
   would mix what differs between tasks with what differs between domains.
2. Features are those that the action head reads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from robomtl.action_head import HeadPolicy
from robomtl.training.domains import Domains, Features, TargetDomain

_FEWEST = 2  # Samples of a covariance.


@dataclass(frozen=True, kw_only=True)
class Coral(TargetDomain):
    """Behaviour cloning, and covariances of features as in a target domain."""

    def alignment(
        self, policy: HeadPolicy, features: Features, batch: Domains
    ) -> Tensor:
        """The mean over tasks of the CORAL loss; ()."""
        own, other = batch.batch.task, batch.target.task
        losses = [
            coral(features.source[own == task], features.target[other == task])
            for task in torch.unique(own)
            if min((own == task).sum(), (other == task).sum()) >= _FEWEST
        ]
        return torch.stack(losses).mean() if losses else features.source.new_zeros(())


def coral(source: Tensor, target: Tensor) -> Tensor:
    """‖C_S − C_T‖² / 4d² of the covariances of features; equation 1.

    Args:
        source: (sample, d), at least 2 samples.
        target: (sample, d), at least 2 samples.

    Returns:
        ().
    """
    apart = torch.cov(source.T) - torch.cov(target.T)
    return apart.square().sum() / (4 * source.shape[1] ** 2)
