"""Implicit MAML: the meta-gradient of where adaptation ends, whatever the way there.

Source: Rajeswaran et al. 2019 (iMAML, arXiv:1909.04630): the inner problem
φ* = argmin L(φ) + λ/2 ‖φ - θ‖², equation 3; its meta-gradient (I + H/λ)⁻¹ ∇L_query(φ*),
lemma 1, by conjugate gradients, algorithm 2. Departures from the paper:

1. Conjugate gradients begin at ∇L_query, the first-order meta-gradient, which is the
   solution where H = 0, and stop where H + λI curves downwards, which the theory
   excludes and networks do not. Where they end further from the solution than they
   began, the first-order meta-gradient is taken. The metric ``solver_residual`` tells.
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

_SOLVED = 1e-12  # Of the squared right-hand side: more is beyond float32.


class Solution(NamedTuple):
    """The solution of conjugate gradients."""

    value: Tensor
    """(size,)."""
    residual: Tensor
    """Norm of what is missing, over that of the right-hand side; scalar."""


@dataclass(frozen=True, kw_only=True)
class ImamlObjective(InnerObjective):
    """The loss of queries at the solution of the support's proximal problem."""

    steps: int = 16
    proximity: float = 30.0
    """λ: how strongly the solution is held to where it began. It must exceed what the
    support's loss curves downwards: about 10 for the policy's loss l1, hardly anything
    for l2."""
    solver_steps: int = 5
    """Steps of conjugate gradients."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a number is out of range, or the inner loop must diverge.
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
        """Algorithm 1 of Rajeswaran 2019; see ``InnerObjective``."""
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
    """Losses with λ/2 ‖φ - θ‖² added to each (equation 3)."""

    def held(parameters: Parameters, batch: Batch) -> Tensor:
        far = sum((parameters[name] - start[name]).square().sum() for name in start)
        return losses(parameters, batch) + proximity / 2 * far

    return held


def implicit_gradient(
    losses: Losses,
    end: Parameters,
    support: Batch,
    query: Batch,
    *,
    proximity: float,
    steps: int,
) -> tuple[dict[str, Tensor], Tensor]:
    """The meta-gradient (lemma 1) and the relative residual of its equation.

    Args:
        losses: Loss of each sample, as a function of the parameters.
        end: φ*, the solution of the proximal problem.
        support: What it solves it for.
        query: What is to be minimised there.
        proximity: λ.
        steps: Steps of conjugate gradients.
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
    """The solution of A x = b for a symmetric A, from x = b on (departure 1).

    Args:
        product: x -> A x.
        target: b; (size,).
        steps: Largest number of steps; fewer are taken once it is solved.
    """
    value, missing = target, target - product(target)
    direction, squared = missing, missing @ missing
    begun = squared
    going = torch.ones_like(squared, dtype=torch.bool)
    for _ in range(steps):
        image = product(direction)
        curvature = direction @ image
        going = going & (curvature > 0) & (squared > _SOLVED * (target @ target))
        length = torch.where(going, squared / torch.where(going, curvature, 1.0), 0.0)
        value = value + length * direction
        missing = missing - length * image
        after = missing @ missing
        onward = missing + after / torch.where(going, squared, 1.0) * direction
        direction = torch.where(going, onward, direction)
        squared = after
    value = torch.where(squared < begun, value, target)  # Departure 1.
    return Solution(value, torch.minimum(squared, begun).sqrt() / target.norm())


def joined(parameters: Parameters) -> Tensor:
    """All values as one vector."""
    return torch.cat([value.flatten() for value in parameters.values()])


def parted(values: Tensor, shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """One vector as parameters of these shapes, by name."""
    parts = torch.split(values, [shape.numel() for shape in shapes.values()])
    return {
        name: part.view(shape)
        for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class Imaml(InnerMethod):
    """Solves the proximal problem that implicit MAML has trained the policy for."""

    objective: ClassVar[str | None] = "imaml"
    steps: ClassVar[int] = ImamlObjective.steps
