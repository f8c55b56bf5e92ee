"""A distribution over values of each component of an action, as tokens are predicted.

Component i of the action at step t takes one of N values v_n = -1 + 2n/(N - 1), n = 0 … N - 1,
by the softmax of logits e_n · W_{t,i} h of the features h; the target is the nearest value.

Source: Brohan et al. 2022, "RT-1: Robotics Transformer for Real-World Control at Scale"
(arXiv:2212.06817), section 5: 256 uniform bins for each dimension. Departures:

1. Values lie from bound to bound and an action takes the nearest, so that -1 and 1 have
   values of their own, and every action within bounds comes back within 1/(N - 1). RT-1's
   code rounds down instead; that of OpenVLA has 256 edges, and so 255 bins.
2. Components are predicted side by side, given the features alone, not one after the other.
3. The rows e_n are shared by all components, as a language model's vocabulary is.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import ActionHead, HeadConfig, masked_mean
from robomtl.errors import InputError
from robomtl.policy import EMBODIMENT, Batch, Loss, Spec

_TOKEN_WIDTH = 64  # Of what the logits of one component are read from.


class Bins(ActionHead):
    """The cross-entropy of the values that the components of an action take.

    Args:
        width: Length of the features.
        config: Length of a chunk, and the number of values.
        spec: Lengths of the robots' actions.
    """

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        outputs = _TOKEN_WIDTH * config.chunk * sum(spec.actions)
        super().__init__(width, config, spec, outputs=outputs)
        self.bins = config.bins
        self.values = nn.Linear(_TOKEN_WIDTH, config.bins)

    @classmethod
    def check(cls, config: HeadConfig) -> None:
        """Refuses a single value; see ``ActionHead``."""
        if config.bins < 2:
            raise InputError(
                f"bins is {config.bins}; the head 'bins' distinguishes 2 values or more."
            )

    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """The likeliest value of each component; see ``ActionHead``."""
        chosen = value_of(self._logits(predicted, robot).argmax(-1), self.bins)
        has = self.has(robot)
        return chosen if has is None else chosen * has[:, None]

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """The cross-entropy of each sample; see ``ActionHead``."""
        robot = batch.observation.get(EMBODIMENT)
        logits, has = self._logits(predicted, robot), self.has(robot)
        target = bin_of(batch.action, self.bins)
        elements = functional.cross_entropy(
            rearrange(logits, "batch chunk action bin -> batch bin chunk action"),
            target,
            reduction="none",
        )
        per_sample = masked_mean(elements, batch.mask, has)
        error = (value_of(logits.argmax(-1), self.bins) - batch.action).abs()
        distance = masked_mean(error, batch.mask, has).mean()
        return Loss(per_sample, {"action_error": distance})

    def _logits(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """(batch, chunk, action, bin)."""
        tokens = rearrange(self.components(predicted, robot), "t b c a -> b c a t")
        logits: Tensor = self.values(tokens)
        return logits.float()


def bin_of(action: Tensor, bins: int) -> Tensor:
    """Index of the value nearest to each component of actions within [-1, 1]."""
    place = (action.clamp(-1.0, 1.0) + 1) * (0.5 * (bins - 1))
    return place.round().long()


def value_of(index: Tensor, bins: int) -> Tensor:
    """The value of each index, from -1 to 1."""
    return (index * (2 / (bins - 1)) - 1).to(torch.float32).clamp(-1.0, 1.0)
