"""Aggregations that are convex programmes, solved exactly in about a millisecond.

Each looks for the combination of gradients with non-negative weights that is nearest to some
point: non-negative least squares, which the active-set method of Lawson and Hanson (1974,
chapter 23) solves exactly. Only the Gramian of the gradients is given, so that they are
first replaced by coordinate vectors with the same Gramian. Nash-MTL is solved by Newton's
method.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls
from torch import Tensor

Array = NDArray[np.float64]

_SMALLEST = (
    1e-7  # Smallest eigenvalue: float32's rounding, relative to their mean of 1.
)
_STATIONARY = 1e-3  # Gradients cancel if a combination is shorter; above rounding.
_ITERATIONS, _CLOSE, _RIDGE = 100, 1e-9, 1e-6  # Settings of Newton's method.


def mgda(gramian: Tensor) -> Tensor:
    """Weights of the shortest vector in the convex hull of the gradients; (task,).

    Args:
        gramian: Inner products of the gradients, mean diagonal 1; (task, task).
    """
    return torch.from_numpy(_shortest(_coordinates(gramian)))


def cagrad(gramian: Tensor, radius: float) -> Tensor:
    """Weights of the gradient in a ball around the mean that is best for its worst task.

    The solution is g + radius·|g|·h/|h| for the mean g and the h in the convex hull of the
    gradients that minimises ⟨h, g⟩ + radius·|g|·|h|. For this h, h + ratio·g is the shortest
    vector of the hull translated by ratio·g, where ratio = |h| / (radius·|g|). As |h| / ratio
    falls with the ratio, the equation has one root.

    Args:
        gramian: Inner products of the gradients, mean diagonal 1; (task, task).
        radius: Radius of the ball, relative to the norm of the mean gradient.

    Returns:
        Shape (task,); zeros if the gradients cancel each other.
    """
    rows = _coordinates(gramian)
    even = np.full(len(rows), 1 / len(rows))
    mean = even @ rows
    length = radius * float(np.linalg.norm(mean))
    if not length:
        return torch.from_numpy(even)

    def excess(ratio: float) -> float:
        weights = _shortest(rows + ratio * mean)
        return float(np.linalg.norm(weights @ rows)) / length - ratio

    if excess(0.0) * length < _STATIONARY:
        return torch.zeros_like(gramian[0])
    largest = float(np.linalg.norm(rows, axis=1).max()) / length
    ratio = float(brentq(excess, 0.0, 2 * largest, rtol=_CLOSE))
    return torch.from_numpy(even + _shortest(rows + ratio * mean) / ratio)


def dual_proj(gramian: Tensor) -> Tensor:
    """Weights of the mean gradient, projected so that it conflicts with none; (task,).

    Args:
        gramian: Inner products of the gradients, mean diagonal 1; (task, task).
    """
    rows = _coordinates(gramian)
    return torch.from_numpy(_projected(rows, np.full(len(rows), 1 / len(rows))))


def upgrad(gramian: Tensor) -> Tensor:
    """Weights of the mean of the projected gradients; (task,).

    Each gradient is projected as the mean is by ``dual_proj``.

    Args:
        gramian: Inner products of the gradients, mean diagonal 1; (task, task).
    """
    rows = _coordinates(gramian)
    weights = np.mean([_projected(rows, one) for one in np.eye(len(rows))], axis=0)
    return torch.from_numpy(weights)


def nash_mtl(gramian: Tensor) -> Tensor:
    """The weights α > 0 with G α = 1/α, scaled to a sum of 1; (task,).

    They minimise ½ αᵀ G α - Σ log α, which is self-concordant: Newton's method with steps
    of 1/(1 + decrement) always converges.

    Args:
        gramian: G, the inner products of the gradients; (task, task).
    """
    ridge = _RIDGE * torch.eye(len(gramian), dtype=gramian.dtype)
    gramian = gramian + ridge  # Gradients may be linearly dependent.
    weights = gramian.diagonal().rsqrt()
    for _ in range(_ITERATIONS):
        slope = gramian @ weights - 1 / weights
        step = torch.linalg.solve(gramian + weights.pow(-2).diag(), slope)
        decrement = (slope @ step).clamp(min=0).sqrt()
        if decrement < _CLOSE:
            break
        weights = weights - step / (1 + decrement)
    return weights / weights.sum()


def _coordinates(gramian: Tensor) -> Array:
    """Linearly independent vectors with these inner products, as rows; (task, task)."""
    values, vectors = np.linalg.eigh(gramian.numpy())
    rows: Array = vectors * np.sqrt(values.clip(_SMALLEST))
    return rows


def _shortest(rows: Array) -> Array:
    """Weights of the shortest convex combination; (row,).

    For weights w = s·v with the sum s, the minimum over s of s²|vᵀR|² + (s - 1)² is smallest
    for the v with the smallest |vᵀR|: v is found without the constraint on the sum.
    """
    # The unit of the sum is the size of the longest row, since another may be almost zero.
    unit = np.linalg.norm(rows, axis=1).max()
    system = np.vstack([rows.T, np.full(len(rows), unit)])
    scaled, _ = nnls(system, np.append(np.zeros(rows.shape[1]), unit))
    weights: Array = scaled / scaled.sum()
    return weights


def _projected(rows: Array, weights: Array) -> Array:
    """Weights of the nearest vector whose product with no row is negative; (row,).

    It is the shortest of the combinations with at least the given weights (Quinton and Rey
    2024, proposition 1).

    Args:
        rows: Gradients; (row, coordinate).
        weights: Weights of the combination to project; (row,).
    """
    more, _ = nnls(rows.T, -(weights @ rows))
    added: Array = weights + more
    return added
