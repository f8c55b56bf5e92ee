"""Aggregations: weights of the tasks' gradients from their inner products.

Sources: PCGrad (Yu et al. 2020, arXiv:2001.06782, algorithm 1), CAGrad (Liu et al. 2021,
arXiv:2110.14048, algorithm 1), MGDA (Sener and Koltun 2018, arXiv:1810.04650, algorithm
2), IMTL-G (Liu et al. 2021, "Towards Impartial Multi-task Learning", equation 5),
Nash-MTL (Navon et al. 2022, arXiv:2202.01017, algorithm 1), Aligned-MTL (Senushkin et al.
2023, arXiv:2305.19000, algorithm 1), UPGrad and DualProj (Quinton and Rey 2024,
arXiv:2406.16232). Aggregations in closed form are torchjd's; convex programmes are solved
in ``programmes``. Departures:

1. PCGrad's sum is divided by the number of tasks, so that without conflicts it is the
   mean gradient, and ``max_grad_norm`` keeps its meaning.
2. Nash-MTL's equation is solved by Newton's method, as the convex problem it is (the
   authors' sequence of convex programmes misses it by far), and its weights are scaled to
   a sum of 1: it fixes the direction, and leaves the length to the rate.
3. The Gramian is scaled to a mean diagonal of 1 first, which changes no method's result
   but keeps small gradients from being treated as zero.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchjd import aggregation as torchjd

from robomtl.training import convex_programs
from robomtl.training.balancing import Aggregation, Balancing

Rule = Callable[[Tensor], Tensor]
"""Maps inner products of gradients, (task, task), to their weights, (task,)."""


def rule_for(name: Aggregation, settings: Balancing) -> Rule:
    """The aggregation of a name, as a function of inner products of any scale.

    Args:
        name: Name of the aggregation.
        settings: Settings of all aggregations.
    """
    rules: dict[Aggregation, Rule] = {
        "mean": torchjd.MeanWeighting(),
        "pcgrad": _pcgrad,
        "cagrad": partial(convex_programs.cagrad, radius=settings.radius),
        "mgda": convex_programs.mgda,
        "imtl_g": torchjd.IMTLGWeighting(),
        "nash_mtl": convex_programs.nash_mtl,
        "aligned_mtl": torchjd.AlignedMTLWeighting(),
        "upgrad": convex_programs.upgrad,
        "dual_proj": convex_programs.dual_proj,
    }
    rule = rules[name]
    return lambda gramian: rule(_scaled(gramian)).to(gramian)


def _pcgrad(gramian: Tensor) -> Tensor:
    weights: Tensor = torchjd.PCGradWeighting()(gramian)
    return weights / len(gramian)  # Departure 1.


def _scaled(gramian: Tensor) -> Tensor:
    """The Gramian with a mean diagonal of 1, in double precision on the CPU.

    Departure 3; the identity if all gradients are 0.
    """
    exact = gramian.double().cpu()
    size = exact.diagonal().mean()
    return exact / size if size > 0 else torch.eye(len(exact), dtype=exact.dtype)
