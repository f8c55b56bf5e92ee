"""A mixture of Gaussians over whole chunks of actions.

p(a | h) = Σ_k π_k(h) Π_{t,i} N(a_{t,i}; μ_{k,t,i}(h), σ_{k,t,i}(h)²), for features h, steps t
of the chunk and components i of an action.

Source: Bishop 1994, "Mixture Density Networks", equations 22 to 24; as the head of a policy
Mandlekar et al. 2021, "What Matters in Learning from Offline Human Demonstrations"
(arXiv:2108.03298), BC-RNN-GMM, whose 5 modes are the default. Departures from the latter:

1. A mode is a distribution over a whole chunk, not over the action of one step, so that
   the actions of a chunk belong to the same mode.
2. The policy outputs the mean of its most probable mode rather than a sample.
3. The loss is divided by the number of action components within the episode, so that its
   scale does not depend on the length of a chunk.
"""

from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor

from robomtl.action_head import ActionHead, HeadConfig, masked_mean
from robomtl.heads.regression import bounded, gaussian_nll
from robomtl.policy import EMBODIMENT, Batch, Loss, Spec


class Mixture(ActionHead):
    """Predicts a mixture of Gaussians; trained by the negative log-likelihood.

    Args:
        width: Length of the features.
        config: Length of a chunk, and the number of modes.
        spec: Lengths of the robots' actions.
    """

    signed: ClassVar[bool] = True

    def __init__(self, width: int, config: HeadConfig, spec: Spec) -> None:
        self.modes = config.modes
        size = config.chunk * sum(spec.actions)
        outputs = config.modes * (2 * size + 1)
        super().__init__(width, config, spec, outputs=outputs)

    def actions(self, predicted: Tensor, robot: Tensor | None) -> Tensor:
        """Mean of the most probable mode; see ``ActionHead``."""
        logits, mean, _ = self._modes(predicted, robot)
        return _likeliest(logits, mean).clamp(-1.0, 1.0)

    def score(self, predicted: Tensor, batch: Batch) -> Loss:
        """Negative log-density of each chunk per valid component; see ``ActionHead``."""
        robot = batch.observation.get(EMBODIMENT)
        logits, mean, log_std = self._modes(predicted, robot)
        present = self.component_mask(robot)
        valid = batch.mask[:, :, None].expand_as(batch.action)
        if present is not None:
            valid = valid * present[:, None]
        nll = gaussian_nll(mean - batch.action, log_std) * valid
        by_mode = logits.log_softmax(-1) - nll.sum((2, 3)).mT  # (batch, mode)
        per_sample = -by_mode.logsumexp(-1) / valid.sum((1, 2))
        error = (_likeliest(logits, mean) - batch.action).detach().abs()
        distance = masked_mean(error, batch.mask, present).mean()
        return Loss(per_sample, {"action_error": distance})

    def _modes(
        self, predicted: Tensor, robot: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Parameters of the mixture.

        Returns:
            Logits of the modes, (batch, mode); means and logarithms of the standard
            deviations, (mode, batch, chunk, action).
        """
        logits, rest = torch.split(
            predicted, [self.modes, predicted.shape[-1] - self.modes], dim=-1
        )
        mean, spread = rearrange(
            self.components(rest, robot), "(two mode) ... -> two mode ...", two=2
        )
        return logits.float(), mean, bounded(spread)


def _likeliest(logits: Tensor, mean: Tensor) -> Tensor:
    """Mean of each sample's most probable mode; (batch, chunk, action)."""
    mode = logits.argmax(-1)[None, :, None, None].expand(1, *mean.shape[1:])
    return torch.gather(mean, 0, mode)[0]
