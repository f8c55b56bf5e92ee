"""From the inner products of the tasks' gradients to the weights of one step.

Sources: PCGrad (Yu et al. 2020, arXiv:2001.06782, algorithm 1), CAGrad (Liu et al. 2021,
arXiv:2110.14048, algorithm 1), MGDA (Sener and Koltun 2018, arXiv:1810.04650, algorithm
2), IMTL-G (Liu et al. 2021, "Towards Impartial Multi-task Learning", equation 5),
Nash-MTL (Navon et al. 2022, arXiv:2202.01017, algorithm 1), Aligned-MTL (Senushkin et al.
2023, arXiv:2305.19000, algorithm 1), UPGrad and DualProj (Quinton and Rey 2024,
arXiv:2406.16232); all but Nash-MTL as torchjd has them. Departures:

1. PCGrad's sum is divided by the number of tasks, so that without conflicts it is the
   mean gradient, and ``clip`` keeps its meaning.
2. Nash-MTL's equation is solved by Newton's method, as the convex problem it is (torchjd
   has the authors' sequence of convex programmes, which misses it by far), and its weights
   are scaled to a sum of 1: it fixes the direction, and leaves the length to the rate.
3. The Gramian is scaled to a mean diagonal of 1 first, which changes no method's result
   but keeps small gradients from being taken for none.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torchjd import aggregation as torchjd

from robomtl.training.balancing import Aggregation, Balancing

Rule = Callable[[Tensor], Tensor]
"""From inner products of gradients, (task, task), to their weights, (task,)."""

_ITERATIONS, _CLOSE, _RIDGE = 100, 1e-9, 1e-6  # Of Newton's method.


def rule_for(name: Aggregation, settings: Balancing) -> Rule:
    """The aggregation of this name.

    Args:
        name: Which.
        settings: Those of all.
    """
    made: dict[str, Callable[[], Rule]] = {
        "mean": torchjd.MeanWeighting,
        "pcgrad": lambda: _pcgrad,
        "cagrad": lambda: torchjd.CAGradWeighting(c=settings.radius),
        "mgda": torchjd.MGDAWeighting,
        "imtl_g": torchjd.IMTLGWeighting,
        "nash_mtl": lambda: nash,
        "aligned_mtl": torchjd.AlignedMTLWeighting,
        "upgrad": torchjd.UPGradWeighting,
        "dual_proj": torchjd.DualProjWeighting,
    }
    rule = made[name]()
    return lambda gramian: rule(_scaled(gramian)).to(gramian)


def nash(gramian: Tensor) -> Tensor:
    """The weights α > 0 with G α = 1/α, scaled to a sum of 1 (departure 2); (task,).

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


def _pcgrad(gramian: Tensor) -> Tensor:
    weights: Tensor = torchjd.PCGradWeighting()(gramian)
    return weights / len(gramian)  # Departure 1.


def _scaled(gramian: Tensor) -> Tensor:
    """With a mean diagonal of 1, on the CPU, in double precision (departure 3)."""
    exact = gramian.double().cpu()
    size = exact.diagonal().mean()
    return exact / size if size > 0 else torch.eye(len(exact), dtype=exact.dtype)
