"""ALPaCA: Bayesian linear regression of the policy's last layer on its features.

Source: Harrison, Sharma and Pavone 2018 (arXiv:1807.08912), both phases; the mean
alone is the ridge head of R2-D2 (Bertinetto et al. 2019, arXiv:1805.08136). Departures:

1. Without meta-training the features are those of multi-task cloning, and the prior is
   isotropic around the trained head or around zero; its precision and the noise variance
   maximise the marginal likelihood of the support.
2. Steps of an episode are correlated: each counts as a fraction of a sample.
3. Since chunks reach beyond the end of an episode, each action of a chunk has its own
   samples and its own mean; only the precision of the first action is kept.
4. The mean of the prior is the policy's head, meta-trained with all other weights.
"""

import copy
from dataclasses import dataclass, replace
from math import inf
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from einops import rearrange
from torch import Generator, Tensor

from robomtl.action_head import HeadPolicy, masked_mean
from robomtl.adaptation.meta.bayesian_regression import (
    Belief,
    Prediction,
    evidence,
    marginal_noise,
    posterior,
    predict,
)
from robomtl.adaptation.meta.gradient import material_of
from robomtl.adaptation.meta.last_layer import (
    LastLayer,
    features_of,
    head_mean,
    last_layer_for,
    last_layer_of,
    set_head_mean,
    with_head,
)
from robomtl.adaptation.meta.problems import Problems
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError
from robomtl.heads.regression import gaussian_nll
from robomtl.nearest import check_known
from robomtl.policy import Batch, Loss, Policy
from robomtl.ranges import check_positive
from robomtl.training.episodic import Episodic

Prior = Literal["head", "zero"]

# Candidate precisions of the prior, two for each power of ten.
_PRECISIONS = tuple(10 ** (power / 2) for power in range(-6, 6))
_ROWS = 4096  # Rows of a forward pass over the support.


class Samples(NamedTuple):
    """Regression data for each action of a chunk."""

    features: Tensor
    """Inputs of the last layer; (…, 1, sample, feature)."""
    targets: Tensor
    """Demonstrated actions; (…, chunk, sample, action)."""
    weight: Tensor
    """Number of independent samples that each sample counts as; (…, chunk, sample)."""


@dataclass(frozen=True, kw_only=True)
class Alpaca:
    """Solves for the last layer in closed form and predicts its own variance."""

    prior: Prior = "head"
    """Mean of the prior: the trained head, or zero. A policy that was trained with the
    objective alpaca has a learned prior; ``prior`` and ``precision`` are then unused."""
    precision: float | None = None
    """Precision of each weight under the prior, in units of the noise precision; None to
    maximise the marginal likelihood of the support. ``precision`` times ``correlation``
    is the ridge penalty of a regression in which every step has weight 1."""
    correlation: float = 5.0
    """Number of steps of an episode that count as one independent sample."""

    objective: ClassVar[str | None] = None
    steps: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            InputError: If the prior is unknown or a number is out of range.
        """
        check_known("prior", self.prior, get_args(Prior))
        if self.precision is not None and not self.precision > 0:
            raise InputError(f"precision is {self.precision}; give more than 0.")
        if not 1 <= self.correlation < inf:
            raise InputError(
                f"correlation is {self.correlation}; give a finite number from 1."
            )

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy with the posterior mean as its head; see ``Method``.

        Its ``meta`` is the posterior, from which adapting it again continues, and its
        card names the objective alpaca, whose ``meta`` that is.

        Raises:
            FloatingPointError: If a feature or the head is not finite.
        """
        learned = isinstance(trained.policy.meta, LastLayer)
        policy = self.believing(trained.policy)
        layer = last_layer_of(policy)
        with torch.no_grad():
            samples = self._samples(policy, trained, support)
            if not all(e.isfinite().all() for e in (*samples, head_mean(policy))):
                raise FloatingPointError("Features or head are not finite.")
            if self.precision is None and not learned:
                layer.set_factor(_likeliest(head_mean(policy), samples))
            before = Belief(head_mean(policy), layer.factor())
            after = posterior(before, *samples)
            set_head_mean(policy, after.mean)
            layer.set_factor(after.factor[0])
        card, parameters = trained.card, after.mean.numel()
        if learned:
            return Adapted(policy, card, parameters=parameters)
        layer.set_noise(marginal_noise(before, after, *samples).flatten())
        card = replace(card, objective="alpaca", objective_config={})
        return Adapted(policy, card, parameters=parameters)

    def believing(self, policy: Policy) -> HeadPolicy:
        """A copy of the policy with the prior as its last layer.

        If ``precision`` is None the precision is 1; another value would scale the
        variance of all states equally.

        Raises:
            ValueError: If the head cannot be solved for; see ``with_head``.
        """
        copied = copy.deepcopy(with_head(policy)).eval()
        if not isinstance(copied.meta, LastLayer):
            copied.meta = last_layer_for(copied, precision=self.precision or 1.0)
            if self.prior == "zero":
                set_head_mean(copied, torch.zeros_like(head_mean(copied)))
        return copied

    def _samples(
        self, policy: HeadPolicy, trained: TrainedPolicy, support: Support
    ) -> Samples:
        """All steps of the support, conditioned on the canonical instruction."""
        conditioning = trained.card.conditioning
        material = material_of(policy, support.demonstrations, conditioning)
        parts = [(features_of(policy, b), b) for b in material.in_order(_ROWS)]
        action = torch.cat([b.action for _, b in parts])
        mask = torch.cat([b.mask for _, b in parts])
        return Samples(
            features=torch.cat([features for features, _ in parts])[None],
            targets=rearrange(action, "sample chunk action -> chunk sample action"),
            weight=mask.mT / self.correlation,
        )


@dataclass(frozen=True, kw_only=True)
class AlpacaTraining(Problems):
    """Meta-trains the features and a prior over the last layer.

    The loss is the negative log-density of queries under the prediction from the
    support, N(K̄ᵀφ, (1 + φᵀΛ⁻¹φ)·Σ), averaged over an action's coordinates.
    """

    tasks: int = 8
    samples: float = 20.0
    """Number of independent samples that a demonstration of any length counts as: 100
    steps at 5 steps per sample."""

    demonstration: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            ValueError: If one is out of range.
        """
        super().__post_init__()
        check_positive(self, "samples")

    @property
    def subsampled(self) -> int:
        """Minimal, as the loss reads single frames and no whole demonstrations."""
        return 1

    def meta(self, policy: Policy) -> LastLayer:
        """Precision of the prior and noise variance, trained with the policy.

        Raises:
            ValueError: If the head cannot be solved for; see ``with_head``.
        """
        return last_layer_for(policy)

    def loss(self, policy: Policy, batch: Episodic) -> Loss:
        """Loss of each query under the posterior given the support of its problem."""
        checked = with_head(policy)
        layer = last_layer_of(checked)
        shots = batch.context.mask.sum(1)
        support = _problems(checked, batch.support, batch.tasks)
        rows = support.weight.shape[-1]
        weight = support.weight * (self.samples * shots / rows)[:, None, None]
        query = _problems(checked, batch.query, batch.tasks)
        before = Belief(head_mean(checked), layer.factor())
        predicted = predict(
            before, support.features, support.targets, weight, query.features
        )
        return _scored(predicted, query.targets, layer.noise(), batch.query)


def _likeliest(mean: Tensor, samples: Samples) -> Tensor:
    """Cholesky factor of the isotropic precision with the greatest evidence."""
    precision = torch.tensor(_PRECISIONS, device=mean.device)
    nats = evidence(mean, *samples, precision)
    likeliest = precision[nats.argmax()]
    return likeliest.sqrt() * torch.eye(mean.shape[-2], device=mean.device)


def _problems(policy: HeadPolicy, batch: Batch, tasks: int) -> Samples:
    """Samples of each problem of a batch whose rows are sorted by problem."""
    features = features_of(policy, batch)
    return Samples(
        rearrange(
            features, "(task sample) feature -> task 1 sample feature", task=tasks
        ),
        rearrange(
            batch.action,
            "(task sample) chunk action -> task chunk sample action",
            task=tasks,
        ),
        rearrange(batch.mask, "(task sample) chunk -> task chunk sample", task=tasks),
    )


def _scored(
    predicted: Prediction, targets: Tensor, noise: Tensor, batch: Batch
) -> Loss:
    """Negative log-density of targets under a prediction, as the loss of each sample.

    Args:
        predicted: Mean of shape (task, chunk, sample, action).
        targets: (task, chunk, sample, action).
        noise: Variance of each action of the chunk; (actions,).
        batch: Batch of the targets, whose mask is used.
    """
    error = targets - predicted.mean
    by_action = rearrange(
        noise, "(chunk action) -> chunk 1 action", chunk=error.shape[1]
    )
    variance = (1 + predicted.spread)[..., None] * by_action
    flat = "task chunk sample action -> (task sample) chunk action"
    elements = rearrange(gaussian_nll(error, 0.5 * variance.log()), flat)
    distance = masked_mean(rearrange(error.detach().abs(), flat), batch.mask)
    per_sample = masked_mean(elements, batch.mask).float()
    return Loss(per_sample, {"action_error": distance.mean().float()})
