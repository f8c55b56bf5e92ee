"""Heads that predict one action for each step: l1, l2 and a Gaussian around it."""

import math
from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from robomtl.action_head import ActionHead, HeadConfig, masked_mean
from robomtl.policy import EMBODIMENT, Batch, Loss, Spec

# Bounds of the log-deviation: demonstrations repeat actions exactly, and an unbounded
# likelihood would grow without limit there.
LEAST, MOST = -3.0, 1.0


class Regression(ActionHead):
    """Predicts the action itself, and by further outputs how far off it may be.

    Args:
        width: Length of the features.
        config: Length of a chunk.
        spec: Lengths of the robots' actions.
    """

    solvable: ClassVar[bool] = True
    outputs: ClassVar[int] = 1
    """Outputs for each component of an action, of which the first is the action."""

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        outputs = self.outputs * config.chunk * sum(spec.actions)
        super().__init__(width, config, spec, outputs=outputs)

    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """The actions predicted; see ``ActionHead``."""
        return self.components(predicted, robot)[0].clamp(-1.0, 1.0)

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """The loss of each sample; see ``ActionHead``."""
        robot = batch.observation.get(EMBODIMENT)
        outputs = self.components(predicted, robot)
        error, has = outputs[0] - batch.action, self.has(robot)
        per_sample = masked_mean(self.elements(error, outputs), batch.mask, has)
        distance = masked_mean(error.detach().abs(), batch.mask, has).mean()
        return Loss(per_sample, {"action_error": distance})

    @abstractmethod
    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """The loss of each component.

        Args:
            error: The action predicted minus that of the demonstration; (batch, chunk,
                action).
            outputs: All outputs; (output, batch, chunk, action).
        """


class L1(Regression):
    """The absolute error, which the median of the demonstrated actions minimises."""

    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """|error|."""
        return error.abs()


class L2(Regression):
    """The squared error, which the mean of the demonstrated actions minimises."""

    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """The square of the error."""
        return error.square()


class Gaussian(Regression):
    """The negative log-likelihood of a Gaussian with a diagonal covariance."""

    signed: ClassVar[bool] = True
    outputs: ClassVar[int] = 2

    def elements(self, error: Tensor, outputs: Tensor) -> Tensor:
        """The negative log-density, with a logarithm of the standard deviation in bounds."""
        return gaussian_nll(error, bounded(outputs[1]))


def bounded(output: Tensor) -> Tensor:
    """The logarithm of a standard deviation between e⁻³ and e, from an unbounded output."""
    return LEAST + (MOST - LEAST) * output.sigmoid()


def gaussian_nll(error: Tensor, log_std: Tensor) -> Tensor:
    """The negative log-density of an error under a centred Gaussian, element by element."""
    scaled = error * (-log_std).exp()
    return 0.5 * scaled.square() + log_std + 0.5 * math.log(2 * math.pi)
