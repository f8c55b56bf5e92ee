"""Time-contrastive pre-training: frames close in time have similar features.

Source: Nair et al. 2022, "R3M: A Universal Visual Representation for Robot Manipulation"
(arXiv:2203.12601, section 3.2 and the official trainer), after Sermanet et al. 2018,
"Time-Contrastive Networks" (arXiv:1704.06888). For three steps i < j < k of an episode and
the steps j' of other episodes, with S(z, z') = -|z - z'|,

    L = -log e^S(zi, zj) / (e^S(zi, zj) + e^S(zi, zk) + Σ e^S(zi, zj')),

and a penalty on the lengths of the z. Departures:

1. z is a linear projection of the features, since normalised features have a fixed scale;
   the penalty is its mean absolute value plus its norm, where R3M has the sum.
2. All other episodes of the batch are negatives, and not three of them, each by its step j'
   where R3M takes its step i'.
3. The trainer of R3M also takes the mean of L and the same loss from the end of an episode,
   with k in the place of i; here, as in the paper, it is L alone.
4. The alignment with language is a separate objective, ``language_alignment``.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomtl.policy import Loss, Policy
from robomtl.pretraining.clips import Clips, Times, ordered
from robomtl.pretraining.objectives import Pretraining, clip_features, width_of
from robomtl.ranges import check_counts, check_not_negative


def time_contrast(embedded: Tensor) -> Tensor:
    """The loss L of each clip; see the module.

    Args:
        embedded: z of three steps of each clip, in order of time; (clip, 3, size).

    Returns:
        Shape (clip,).
    """
    first, second, third = embedded.unbind(1)
    near = -(first - second).norm(dim=-1)  # (clip,)
    far = -(first - third).norm(dim=-1)
    others = -torch.cdist(first, second)  # (clip, clip)
    itself = torch.eye(len(first), dtype=torch.bool, device=first.device)
    others = others.masked_fill(itself, -torch.inf)
    every = torch.cat([near[:, None], far[:, None], others], dim=1)
    contrast: Tensor = every.logsumexp(1) - near
    return contrast


@dataclass(frozen=True, kw_only=True)
class TimeContrastive(Pretraining):
    """Contrasts frames close in time with later frames and with other episodes."""

    size: int = 64
    """Length of the projected features."""
    penalty: float = 1e-5
    """Weight of the penalty: the mean absolute value plus the norm of a projection."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        check_counts(self, "size")
        check_not_negative(self, "penalty")

    @property
    def count(self) -> int:
        """3 frames; see ``Pretraining``."""
        return 3

    @property
    def times(self) -> Times:
        """See ``Pretraining``."""
        return ordered(3)

    def meta(self, policy: Policy) -> nn.Linear:
        """The linear projection of the features."""
        return nn.Linear(width_of(policy), self.size)

    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The time-contrastive loss of each clip, plus the weighted penalty."""
        assert isinstance(policy.meta, nn.Linear)
        embedded = policy.meta(clip_features(policy, batch)).float()
        lengths = embedded.abs().mean(-1) + embedded.norm(dim=-1)  # (clip, time)
        contrast = time_contrast(embedded)
        gaps = (embedded[:, 1:] - embedded[:, :1]).norm(dim=-1).detach()  # (clip, 2)
        metrics = {"in_order": (gaps[:, 0] < gaps[:, 1]).float().mean()}
        return Loss(contrast + self.penalty * lengths.mean(1), metrics)
