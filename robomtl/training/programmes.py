"""Aggregations that are convex programmes, solved to their ends in a millisecond.

Each looks for a combination of gradients whose weights are not negative, nearest to some
point: non-negative least squares, which Lawson and Hanson's active sets (1974, chapter 23)
solve exactly. All that is known of the gradients is their Gramian, so they are first
written in coordinates in which it is the same.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls
from torch import Tensor

Array = NDArray[np.float64]

_SMALLEST = 1e-7  # Of an eigenvalue: float32's rounding, where they are 1 in the mean.
_STATIONARY = 1e-3  # A length below which gradients cancel; above the rounding of one.
_ITERATIONS, _CLOSE, _RIDGE = 100, 1e-9, 1e-6  # Of Newton's method.


def mgda(gramian: Tensor) -> Tensor:
    """Weights of the shortest vector in the convex hull of the gradients; (task,).

    Args:
        gramian: Of a mean diagonal of 1; (task, task).
    """
    return torch.from_numpy(_shortest(_coordinates(gramian)))


def cagrad(gramian: Tensor, radius: float) -> Tensor:
    """Weights of the gradient within a ball around the mean that serves its worst task.

    It is g + radius·|g|·h/|h| for the mean g and the h in the convex hull of the gradients
    that minimises ⟨h, g⟩ + radius·|g|·|h|. That h is the one for which h + ratio·g is the
    shortest vector of the hull moved by ratio·g, where ratio = |h| / (radius·|g|); the
    left side falls in the ratio, so that one number is sought.

    Args:
        gramian: Of a mean diagonal of 1; (task, task).
        radius: Of the ball, in lengths of the mean gradient.

    Returns:
        (task,), zeros where the gradients cancel each other.
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
    """Weights of the mean gradient, projected to where it agrees with all; (task,).

    Args:
        gramian: Of a mean diagonal of 1; (task, task).
    """
    rows = _coordinates(gramian)
    return torch.from_numpy(_projected(rows, np.full(len(rows), 1 / len(rows))))


def upgrad(gramian: Tensor) -> Tensor:
    """Weights of the mean of the gradients, each projected in the same way; (task,).

    Args:
        gramian: Of a mean diagonal of 1; (task, task).
    """
    rows = _coordinates(gramian)
    weights = np.mean([_projected(rows, one) for one in np.eye(len(rows))], axis=0)
    return torch.from_numpy(weights)


def nash_mtl(gramian: Tensor) -> Tensor:
    """The weights α > 0 with G α = 1/α, scaled to a sum of 1; (task,).

    They minimise ½ αᵀ G α - Σ log α, which is self-concordant: Newton's method with steps
    of 1/(1 + decrement) always converges.

    Args:
        gramian: G; (task, task).
    """
    ridge = _RIDGE * torch.eye(len(gramian), dtype=gramian.dtype)
    gramian = gramian + ridge  # Gradients may depend on each other.
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
    """Vectors with these inner products, none of which depends on others; (task, task)."""
    values, vectors = np.linalg.eigh(gramian.numpy())
    rows: Array = vectors * np.sqrt(values.clip(_SMALLEST))
    return rows


def _shortest(rows: Array) -> Array:
    """Weights of the shortest convex combination; (row,).

    For weights w = s·v with a sum of s, s²|vᵀR|² + (s - 1)² is smallest, over s, where
    |vᵀR| is: so v can be had without the constraint.
    """
    # Of the rows' size, so that the sum does not drown in them; one may be all but zero.
    unit = np.linalg.norm(rows, axis=1).max()
    system = np.vstack([rows.T, np.full(len(rows), unit)])
    found, _ = nnls(system, np.append(np.zeros(rows.shape[1]), unit))
    weights: Array = found / found.sum()
    return weights


def _projected(rows: Array, weights: Array) -> Array:
    """Of the nearest vector with a product of 0 or more with every row; (row,).

    That adds rows until it is: the shortest of those with at least these weights
    (Quinton and Rey 2024, proposition 1).
    """
    more, _ = nnls(rows.T, -(weights @ rows))
    added: Array = weights + more
    return added
