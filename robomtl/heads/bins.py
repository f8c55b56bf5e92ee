"""A categorical distribution over discrete values of each action component.

Component i of the action at step t has one of N values v_n = -1 + 2n/(N - 1), n = 0 … N - 1,
with the softmax of logits e_n · W_{t,i} h of the features h; the target is the nearest value.

Source: Brohan et al. 2022, "RT-1: Robotics Transformer for Real-World Control at Scale"
(arXiv:2212.06817), section 5: 256 uniform bins for each dimension. Departures:

1. The values include both bounds and an action is rounded to the nearest, so that -1 and 1
   are exact and the rounding error is at most 1/(N - 1). RT-1's code rounds down instead;
   that of OpenVLA has 256 edges and therefore 255 bins.
2. Components are predicted in parallel from the features, not autoregressively.
3. The rows e_n are shared by all components, like the vocabulary of a language model.
"""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import ActionHead, HeadConfig, masked_mean
from robomtl.errors import InputError
from robomtl.policy import EMBODIMENT, Batch, Loss, Spec

_TOKEN_WIDTH = (
    64  # Length of the token from which the logits of a component are computed.
)


class Bins(ActionHead):
    """Classifies each action component into uniform bins; trained by cross-entropy.

    Args:
        width: Length of the features.
        config: Length of a chunk, and the number of bins.
        spec: Lengths of the robots' actions.
    """

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        outputs = _TOKEN_WIDTH * config.chunk * sum(spec.actions)
        super().__init__(width, config, spec, outputs=outputs)
        self.bins = config.bins
        self.values = nn.Linear(_TOKEN_WIDTH, config.bins)

    @classmethod
    def check(cls, config: HeadConfig) -> None:
        """Refuses fewer than 2 bins; see ``ActionHead``."""
        if config.bins < 2:
            raise InputError(
                f"bins is {config.bins}; the head 'bins' needs at least 2 values."
            )

    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """Most probable value of each component; see ``ActionHead``."""
        chosen = value_of(self._logits(predicted, robot).argmax(-1), self.bins)
        present = self.component_mask(robot)
        return chosen if present is None else chosen * present[:, None]

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """Cross-entropy of each sample; see ``ActionHead``."""
        robot = batch.observation.get(EMBODIMENT)
        logits, present = self._logits(predicted, robot), self.component_mask(robot)
        target = bin_of(batch.action, self.bins)
        elements = functional.cross_entropy(
            rearrange(logits, "batch chunk action bin -> batch bin chunk action"),
            target,
            reduction="none",
        )
        per_sample = masked_mean(elements, batch.mask, present)
        error = (value_of(logits.argmax(-1), self.bins) - batch.action).abs()
        distance = masked_mean(error, batch.mask, present).mean()
        return Loss(per_sample, {"action_error": distance})

    def _logits(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """Logits of the bins; (batch, chunk, action, bin)."""
        tokens = rearrange(self.components(predicted, robot), "t b c a -> b c a t")
        logits: Tensor = self.values(tokens)
        return logits.float()


def bin_of(action: Tensor, bins: int) -> Tensor:
    """Index of the value nearest to each component of actions within [-1, 1]."""
    position = (action.clamp(-1.0, 1.0) + 1) * (0.5 * (bins - 1))
    return position.round().long()


def value_of(index: Tensor, bins: int) -> Tensor:
    """Value from -1 to 1 of each bin index."""
    return (index * (2 / (bins - 1)) - 1).to(torch.float32).clamp(-1.0, 1.0)
