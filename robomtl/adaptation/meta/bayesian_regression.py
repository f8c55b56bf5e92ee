"""Bayesian linear regression of vectors, in closed form.

The model is y = Kᵀφ + ε with ε ~ N(0, Σ) and K ~ MN(K₀, Λ₀⁻¹, Σ): the rows of K have
precision Λ₀, the columns the diagonal covariance Σ of the noise.

Source: Harrison, Sharma and Pavone 2018, "Meta-Learning Priors for Efficient Online
Bayesian Regression" (arXiv:1807.08912), section 3. Departures from the paper:

1. Samples have weights: steps of one episode are correlated, and with weights of 1 they
   would make the posterior overconfident.
2. Without meta-training, the noise variance and the precision of the prior maximise the
   marginal likelihood of the samples, with K integrated out (empirical Bayes; MacKay
   1992, "Bayesian Interpolation").

All functions accept any leading dimensions, compute in float64, which autocast leaves
unchanged, and are differentiable.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Belief(NamedTuple):
    """Distribution of K: a prior or a posterior."""

    mean: Tensor
    """Mean K₀ or K̄; (…, feature, output)."""
    factor: Tensor
    """Lower Cholesky factor of the precision Λ; (…, feature, feature)."""


class Prediction(NamedTuple):
    """Predictive distribution of outputs, N(mean, (1 + spread) · Σ)."""

    mean: Tensor
    """Mean K̄ᵀφ; (…, sample, output)."""
    spread: Tensor
    """Variance φᵀΛ⁻¹φ of the mean, in units of the noise; (…, sample)."""


def posterior(
    prior: Belief, features: Tensor, targets: Tensor, weight: Tensor
) -> Belief:
    """Posterior given some samples: Λ = ΦᵀWΦ + Λ₀ and K̄ = Λ⁻¹(ΦᵀWY + Λ₀K₀).

    Computed as K̄ = K₀ + Λ⁻¹ΦᵀW(Y − ΦK₀), so that the mean stays exactly K₀ if K₀ already
    explains the samples.

    Args:
        prior: Prior belief.
        features: Φ; (…, sample, feature).
        targets: Y; (…, sample, output).
        weight: Diagonal of W: the number of independent samples that each sample counts
            as; (…, sample).
    """
    mean, factor = (each.double() for each in prior)
    features = features.double()
    weighted = (features * weight.double()[..., None]).mT  # (…, feature, sample)
    precision = weighted @ features + factor @ factor.mT
    after: Tensor = torch.linalg.cholesky(precision)
    residual = weighted @ (targets.double() - features @ mean)
    return Belief(mean + torch.cholesky_solve(residual, after), after)


def spread(belief: Belief, features: Tensor) -> Tensor:
    """Variance φᵀΛ⁻¹φ of Kᵀφ, in units of the noise variance; (…, sample).

    Args:
        belief: Belief whose precision is Λ; its mean is not used.
        features: (…, sample, feature).
    """
    return _whitened(belief, features).square().sum(-2)


def predict(
    prior: Belief, features: Tensor, targets: Tensor, weight: Tensor, query: Tensor
) -> Prediction:
    """Prediction of ``posterior`` for queries, at a cost of samples³ rather than features³.

    Uses the matrix inversion lemma on features whitened by the prior. Suits training,
    where problems have few samples and share the prior.

    Args:
        prior: Prior belief.
        features: (…, sample, feature).
        targets: (…, sample, output).
        weight: (…, sample).
        query: Features of the queries; (…, query, feature).
    """
    mean, query = prior.mean.double(), query.double()
    root = weight.double().sqrt()[..., None]  # (…, sample, 1)
    projected = _whitened(prior, features).mT * root
    queried = _whitened(prior, query)  # (…, feature, query)
    eye = torch.eye(projected.shape[-2], dtype=projected.dtype, device=projected.device)
    factor = torch.linalg.cholesky(projected @ projected.mT + eye)
    across = torch.linalg.solve_triangular(factor, projected @ queried, upper=False)
    residual = root * (targets.double() - features.double() @ mean)
    learned = torch.linalg.solve_triangular(factor, residual, upper=False)
    return Prediction(
        query @ mean + across.mT @ learned,
        queried.square().sum(-2) - across.square().sum(-2),
    )


def marginal_noise(
    prior: Belief, after: Belief, features: Tensor, targets: Tensor, weight: Tensor
) -> Tensor:
    """Noise variance that maximises the marginal likelihood of samples; (…, output).

    K is integrated out. The residuals of the prior mean have covariance
    (W⁻¹ + ΦΛ₀⁻¹Φᵀ)·Σ, so tr(W)·Σ̂ is their quadratic form in the inverse of
    W⁻¹ + ΦΛ₀⁻¹Φᵀ, which equals the squared residuals of K̄ plus the squared distance of K̄
    from K₀. Unbiased under the model if all weights are 1; tr(W) below 1 counts as 1.
    (Departure 2.)

    Args:
        prior: Prior belief.
        after: Posterior belief, as ``posterior`` returns it for the same samples.
        features: (…, sample, feature).
        targets: (…, sample, output).
        weight: (…, sample).
    """
    residual = targets.double() - features.double() @ after.mean
    error = (residual.square() * weight.double()[..., None]).sum(-2)
    distance = prior.factor.double().mT @ (after.mean - prior.mean.double())
    count = weight.double().sum(-1).clamp(min=1.0)
    return (error + distance.square().sum(-2)) / count[..., None]


def evidence(
    mean: Tensor,
    features: Tensor,
    targets: Tensor,
    weight: Tensor,
    precision: Tensor,
) -> Tensor:
    """Log evidence of the samples for each isotropic prior Λ₀ = λI, in nats; (precision,).

    The log marginal likelihood up to a constant, with the noise variance of
    ``marginal_noise``: −½ tr(W)·log|Σ̂| − ½ m·log(|Λ|/|Λ₀|) for m outputs, summed over
    leading dimensions.

    Args:
        mean: K₀; (…, feature, output).
        features: (…, sample, feature).
        targets: (…, sample, output).
        weight: (…, sample).
        precision: Values of λ; (precision,).
    """
    features, weight = features.double(), weight.double()
    residual = targets.double() - features @ mean.double()
    weighted = (features * weight[..., None]).mT
    values, vectors = torch.linalg.eigh(weighted @ features)
    ratios = values.clamp(min=0)[..., None] / precision.double()
    projected = (vectors.mT @ (weighted @ residual)).square()  # (…, feature, output)
    inverse = 1 / (precision.double() * (1 + ratios))  # (…, feature, precision)
    total = (residual.square() * weight[..., None]).sum(-2)  # (…, output)
    error = total[..., None] - projected.mT @ inverse  # (…, output, precision)
    count = weight.sum(-1)[..., None, None]
    noise = (error / count.clamp(min=1.0)).clamp(min=torch.finfo(error.dtype).tiny)
    fit = (count * noise.log()).sum(-2)
    complexity = residual.shape[-1] * ratios.log1p().sum(-2)
    nats: Tensor = -0.5 * (fit + complexity)
    return nats.flatten(end_dim=-2).sum(0) if nats.ndim > 1 else nats


def _whitened(belief: Belief, features: Tensor) -> Tensor:
    """Whitened features L⁻¹Φᵀ, where LLᵀ is the precision; (…, feature, sample)."""
    whitened: Tensor = torch.linalg.solve_triangular(
        belief.factor.double(), features.double().mT, upper=False
    )
    return whitened
