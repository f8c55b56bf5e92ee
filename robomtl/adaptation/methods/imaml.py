"""Implicit MAML: the meta-gradient depends on the solution of adaptation, not on its path.

Source: Rajeswaran et al. 2019 (iMAML, arXiv:1909.04630): the inner problem
φ* = argmin L(φ) + λ/2 ‖φ - θ‖², equation 3; its meta-gradient (I + H/λ)⁻¹ ∇L_query(φ*),
lemma 1, by conjugate gradients, algorithm 2. Departures from the paper:

1. Conjugate gradients start at ∇L_query, the first-order meta-gradient, which is the
   solution if H = 0. They stop at negative curvature of H + λI, which the theory excludes
   but networks have. If they end with a larger residual than they started with, the
   first-order meta-gradient is used. The metric ``solver_residual`` is the final residual.
2. A product with H is a backward pass through ∇L (H is symmetric), which is recorded
   once and used for every product.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap

from robomtl.adaptation.meta.inner_loop import (
    Losses,
    Parameters,
    carrying,
    inner_loop,
    losses_of,
    weights_of,
)
from robomtl.adaptation.meta.inner_training import InnerMethod, InnerObjective
from robomtl.errors import InputError
from robomtl.policy import Batch, Policy
from robomtl.ranges import check_not_negative, check_positive

# Squared relative residual below which the system counts as solved in float32.
_SOLVED = 1e-12


class Solution(NamedTuple):
    """Solution found by conjugate gradients."""

    value: Tensor
    """Solution vector; (size,)."""
    residual: Tensor
    """Norm of the residual divided by that of the right-hand side; scalar."""


@dataclass(frozen=True, kw_only=True)
class ImamlObjective(InnerObjective):
    """Minimises the loss of queries at the solution of the support's proximal problem."""

    steps: int = 16
    proximity: float = 30.0
    """Strength λ of the penalty on the distance to the initial weights. It must exceed the
    largest negative curvature of the support's loss: about 10 for the head l1, close to 0
    for l2."""
    solver_steps: int = 5
    """Number of conjugate-gradient steps."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a number is out of range, or the inner loop would diverge.
        """
        super().__post_init__()
        check_positive(self, "proximity")
        check_not_negative(self, "solver_steps")
        if self.inner_rate * self.proximity >= 2:
            raise InputError(
                f"inner_rate={self.inner_rate} diverges at proximity={self.proximity};"
                f" give less than 2 / proximity = {2 / self.proximity:g}."
            )

    def query_losses(
        self, policy: Policy, support: Batch, query: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Losses of the queries by algorithm 1 of the paper; see ``InnerObjective``."""
        losses = losses_of(policy)

        def after(
            support: Batch, query: Batch
        ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
            end = self.adapted(policy, [support] * self.steps)
            gradient, residual = implicit_gradient(
                losses,
                end,
                support,
                query,
                proximity=self.proximity,
                steps=self.solver_steps,
            )
            return losses(end, query), gradient, residual

        with torch.no_grad():
            mapped = vmap(after, randomness="different")
            per_task, gradient, residual = mapped(support, query)
        metrics = {"solver_residual": residual.mean()}
        return carrying(per_task, weights_of(policy), gradient), metrics

    def adapted(self, policy: Policy, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """See ``InnerObjective``."""
        start = weights_of(policy)
        return inner_loop(
            proximal(losses_of(policy), start, self.proximity),
            start,
            batches,
            rates=self.inner_rate,
            order="first",
        )


def proximal(losses: Losses, start: Parameters, proximity: float) -> Losses:
    """Losses with the proximal term λ/2 ‖φ - θ‖² added to each (equation 3)."""

    def penalised(parameters: Parameters, batch: Batch) -> Tensor:
        distance = sum(
            (parameters[name] - start[name]).square().sum() for name in start
        )
        return losses(parameters, batch) + proximity / 2 * distance

    return penalised


def implicit_gradient(
    losses: Losses,
    end: Parameters,
    support: Batch,
    query: Batch,
    *,
    proximity: float,
    steps: int,
) -> tuple[dict[str, Tensor], Tensor]:
    """Meta-gradient by lemma 1, by name, and the relative residual of its linear system.

    Args:
        losses: Loss of each sample, as a function of the parameters.
        end: φ*, the solution of the proximal problem.
        support: Samples of the proximal problem.
        query: Samples whose mean loss at φ* is differentiated.
        proximity: λ.
        steps: Number of conjugate-gradient steps.
    """
    shapes = {name: value.shape for name, value in end.items()}

    def mean(parameters: Parameters, batch: Batch) -> Tensor:
        return losses(parameters, batch).mean()

    def support_gradient(values: Tensor) -> Tensor:
        return joined(grad(mean)(parted(values, shapes), support))

    backward = vjp(support_gradient, joined(end))[1]  # Departure 2.

    def product(vector: Tensor) -> Tensor:
        curved: Tensor = backward(vector)[0]
        return vector + curved / proximity

    target = joined(grad(mean)(dict(end), query))
    solution = conjugate_gradients(product, target, steps)
    return parted(solution.value, shapes), solution.residual


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], target: Tensor, steps: int
) -> Solution:
    """Solves A x = b for a symmetric A, starting at x = b (departure 1).

    Args:
        product: x -> A x.
        target: b; (size,).
        steps: Largest number of steps; iteration stops early once the system is solved.
    """
    value, residual = target, target - product(target)
    direction, squared = residual, residual @ residual
    initial = squared
    active = torch.ones_like(squared, dtype=torch.bool)
    for _ in range(steps):
        image = product(direction)
        curvature = direction @ image
        active = active & (curvature > 0) & (squared > _SOLVED * (target @ target))
        length = torch.where(active, squared / torch.where(active, curvature, 1.0), 0.0)
        value = value + length * direction
        residual = residual - length * image
        after = residual @ residual
        following = residual + after / torch.where(active, squared, 1.0) * direction
        direction = torch.where(active, following, direction)
        squared = after
    value = torch.where(squared < initial, value, target)  # Departure 1.
    return Solution(value, torch.minimum(squared, initial).sqrt() / target.norm())


def joined(parameters: Parameters) -> Tensor:
    """All parameters concatenated to one vector."""
    return torch.cat([value.flatten() for value in parameters.values()])


def parted(values: Tensor, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Parameters of the given shapes, by name, from one vector; inverse of ``joined``."""
    parts = torch.split(values, [shape.numel() for shape in shapes.values()])
    return {
        name: part.view(shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class Imaml(InnerMethod):
    """Solves the proximal problem of a policy trained by implicit MAML."""

    objective: ClassVar[str | None] = "imaml"
    steps: ClassVar[int] = ImamlObjective.steps
