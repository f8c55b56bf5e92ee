"""Bayesian linear regression of vectors, in closed form.

The model is y = Kᵀφ + ε with ε ~ N(0, Σ) and K ~ MN(K₀, Λ₀⁻¹, Σ): rows of K have the
precision Λ₀ among each other, columns the diagonal covariance Σ of the noise.

Source: Harrison, Sharma and Pavone 2018, "Meta-Learning Priors for Efficient Online
Bayesian Regression" (arXiv:1807.08912), section 3. Departures from the paper:

1. Samples have weights: steps of one episode are correlated, and counted in full they would
   make the posterior surer than they should.
2. Where nothing was learned of the noise or the prior, the noise's variance and the
   prior's precision are those under which the samples are likeliest, with K integrated
   out (empirical Bayes; MacKay 1992, "Bayesian Interpolation").

All functions take any leading dimensions, compute in float64 and are differentiable;
float64 is also what autocast leaves alone.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Belief(NamedTuple):
    """The distribution of K, before or after samples were seen."""

    mean: Tensor
    """K₀ or K̄; (…, feature, output)."""
    factor: Tensor
    """Lower Cholesky factor of the precision Λ; (…, feature, feature)."""


class Prediction(NamedTuple):
    """The distribution of outputs, N(mean, (1 + spread) · Σ)."""

    mean: Tensor
    """K̄ᵀφ; (…, sample, output)."""
    spread: Tensor
    """φᵀΛ⁻¹φ; (…, sample)."""


def posterior(
    prior: Belief, features: Tensor, targets: Tensor, weight: Tensor
) -> Belief:
    """The belief after samples: Λ = ΦᵀWΦ + Λ₀ and K̄ = Λ⁻¹(ΦᵀWY + Λ₀K₀).

    Computed as K̄ = K₀ + Λ⁻¹ΦᵀW(Y − ΦK₀), which leaves the prior's mean alone exactly
    where it already explains the samples.

    Args:
        prior: What was believed before.
        features: Φ; (…, sample, feature).
        targets: Y; (…, sample, output).
        weight: The diagonal of W, how many independent samples each one counts as, 0 for
            none; (…, sample).
    """
    mean, factor = (each.double() for each in prior)
    features = features.double()
    weighted = (features * weight.double()[..., None]).mT  # (…, feature, sample)
    precision = weighted @ features + factor @ factor.mT
    after: Tensor = torch.linalg.cholesky(precision)
    missed = weighted @ (targets.double() - features @ mean)
    return Belief(mean + torch.cholesky_solve(missed, after), after)


def spread(belief: Belief, features: Tensor) -> Tensor:
    """φᵀΛ⁻¹φ, the variance of Kᵀφ in units of the noise's; (…, sample).

    Args:
        belief: Of which the precision counts.
        features: (…, sample, feature).
    """
    return _whitened(belief, features).square().sum(-2)


def predict(
    prior: Belief, features: Tensor, targets: Tensor, weight: Tensor, query: Tensor
) -> Prediction:
    """The prediction of ``posterior``; its cost grows with samples, not features³.

    By the matrix inversion lemma, in features whitened by the prior; the way to train
    by, where the samples of a problem are few and the prior is shared by all problems.

    Args:
        prior: What was believed before.
        features: (…, sample, feature).
        targets: (…, sample, output).
        weight: (…, sample).
        query: Features to predict from; (…, query, feature).
    """
    mean, query = prior.mean.double(), query.double()
    root = weight.double().sqrt()[..., None]  # (…, sample, 1)
    seen = _whitened(prior, features).mT * root
    queried = _whitened(prior, query)  # (…, feature, query)
    eye = torch.eye(seen.shape[-2], dtype=seen.dtype, device=seen.device)
    factor = torch.linalg.cholesky(seen @ seen.mT + eye)
    across = torch.linalg.solve_triangular(factor, seen @ queried, upper=False)
    missed = root * (targets.double() - features.double() @ mean)
    learned = torch.linalg.solve_triangular(factor, missed, upper=False)
    return Prediction(
        query @ mean + across.mT @ learned,
        queried.square().sum(-2) - across.square().sum(-2),
    )


def marginal_noise(
    prior: Belief, after: Belief, features: Tensor, targets: Tensor, weight: Tensor
) -> Tensor:
    """The noise's variance under which the samples are likeliest; (…, output).

    K is integrated out. The residuals of the prior's mean have covariance
    (W⁻¹ + ΦΛ₀⁻¹Φᵀ)·Σ, so that tr(W)·Σ̂ is their quadratic form in its inverse, which
    equals the residuals of K̄ plus its distance from K₀. Without bias under the model if
    all weights are 1; less than one sample counts as one. (Departure 2.)

    Args:
        prior: What was believed before.
        after: What ``posterior`` made of it.
        features: (…, sample, feature).
        targets: (…, sample, output).
        weight: (…, sample).
    """
    residual = targets.double() - features.double() @ after.mean
    left = (residual.square() * weight.double()[..., None]).sum(-2)
    moved = prior.factor.double().mT @ (after.mean - prior.mean.double())
    count = weight.double().sum(-1).clamp(min=1.0)
    return (left + moved.square().sum(-2)) / count[..., None]


def evidence(
    mean: Tensor,
    features: Tensor,
    targets: Tensor,
    weight: Tensor,
    precision: Tensor,
) -> Tensor:
    """How likely samples are under isotropic priors Λ₀ = λI, in nats; (precision,).

    The logarithm of the marginal likelihood, with the noise's variance at its maximum as
    ``marginal_noise`` has it, but for a constant: −½ tr(W)·log|Σ̂| − ½ m·log|Λ|/|Λ₀| for
    m outputs, added up over leading dimensions.

    Args:
        mean: K₀; (…, feature, output).
        features: (…, sample, feature).
        targets: (…, sample, output).
        weight: (…, sample).
        precision: Values of λ; (precision,).
    """
    features, given = features.double(), weight.double()
    residual = targets.double() - features @ mean.double()
    weighted = (features * given[..., None]).mT
    values, vectors = torch.linalg.eigh(weighted @ features)
    ratios = values.clamp(min=0)[..., None] / precision.double()
    missed = (vectors.mT @ (weighted @ residual)).square()  # (…, feature, output)
    inverse = 1 / (precision.double() * (1 + ratios))  # (…, feature, precision)
    total = (residual.square() * given[..., None]).sum(-2)  # (…, output)
    left = total[..., None] - missed.mT @ inverse  # (…, output, precision)
    count = given.sum(-1)[..., None, None]
    noise = (left / count.clamp(min=1.0)).clamp(min=torch.finfo(left.dtype).tiny)
    fit = (count * noise.log()).sum(-2)
    complexity = residual.shape[-1] * ratios.log1p().sum(-2)
    nats: Tensor = -0.5 * (fit + complexity)
    return nats.flatten(end_dim=-2).sum(0) if nats.ndim > 1 else nats


def _whitened(belief: Belief, features: Tensor) -> Tensor:
    """L⁻¹Φᵀ, where LLᵀ is the precision; (…, feature, sample)."""
    whitened: Tensor = torch.linalg.solve_triangular(
        belief.factor.double(), features.double().mT, upper=False
    )
    return whitened
