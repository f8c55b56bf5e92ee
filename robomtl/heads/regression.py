"""Regression heads: l1, l2 and a diagonal Gaussian."""

import math
from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from robomtl.action_head import ActionHead, HeadConfig, masked_mean
from robomtl.policy import EMBODIMENT, Batch, Loss, Spec

# Bounds of the logarithm of the standard deviation: demonstrations repeat actions exactly,
# where the likelihood would otherwise grow without limit.
LEAST, MOST = -3.0, 1.0


class Regression(ActionHead):
    """Predicts the mean action, and possibly further parameters of its distribution.

    Args:
        width: Length of the features.
        config: Length of a chunk.
        spec: Lengths of the robots' actions.
    """

    solvable: ClassVar[bool] = True
    outputs: ClassVar[int] = 1
    """Number of outputs for each action component; the first is the action."""

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        outputs = self.outputs * config.chunk * sum(spec.actions)
        super().__init__(width, config, spec, outputs=outputs)

    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """Predicted actions; see ``ActionHead``."""
        return self.components(predicted, robot)[0].clamp(-1.0, 1.0)

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """Loss of each sample; see ``ActionHead``."""
        robot = batch.observation.get(EMBODIMENT)
        outputs = self.components(predicted, robot)
        error, present = outputs[0] - batch.action, self.component_mask(robot)
        per_sample = masked_mean(self.elements(error, outputs), batch.mask, present)
        distance = masked_mean(error.detach().abs(), batch.mask, present).mean()
        return Loss(per_sample, {"action_error": distance})

    @abstractmethod
    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """Loss of each component; (batch, chunk, action).

        Args:
            error: Predicted minus demonstrated action; (batch, chunk, action).
            outputs: All outputs; (output, batch, chunk, action).
        """


class L1(Regression):
    """Minimises the absolute error: predicts the median of the demonstrated actions."""

    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """Absolute error of each component; see ``Regression``."""
        return error.abs()


class L2(Regression):
    """Minimises the squared error: predicts the mean of the demonstrated actions."""

    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """Squared error of each component; see ``Regression``."""
        return error.square()


class Gaussian(Regression):
    """Minimises the negative log-likelihood of a Gaussian with diagonal covariance."""

    signed: ClassVar[bool] = True
    outputs: ClassVar[int] = 2

    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """Negative log-density of each component; see ``Regression``."""
        return gaussian_nll(error, bounded(outputs[1]))


def bounded(output: Tensor) -> Tensor:
    """Logarithm of a standard deviation between e⁻³ and e, from an unbounded output."""
    return LEAST + (MOST - LEAST) * output.sigmoid()


def gaussian_nll(error: Tensor, log_std: Tensor) -> Tensor:
    """Negative log-density of each error under a Gaussian of mean 0."""
    scaled = error * (-log_std).exp()
    return 0.5 * scaled.square() + log_std + 0.5 * math.log(2 * math.pi)
