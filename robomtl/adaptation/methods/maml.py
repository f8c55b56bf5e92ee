"""Model-agnostic meta-learning: weights from which few gradient steps adapt to a task.

Sources: Finn, Abbeel & Levine 2017 (MAML, arXiv:1703.03400), equation 1 and section 5.2 for
the first-order approximation; Raghu et al. 2020 (ANIL, arXiv:1909.09157); Li et al. 2017
(Meta-SGD, arXiv:1707.09835), algorithm 1; Finn, Yu et al. 2017 (MIL, arXiv:1709.04905),
section 4.2 for the bias transformation. Departures from the papers:

1. Losses of tasks are averaged, not summed, so that the learning rate does not depend on
   the number of tasks.
2. Learned rates are positive: rate · exp(r), with r learned and initially 0, so that
   weight decay pulls them to the initial rate.
3. The output of the transformation before adaptation, Wb, is part of the first layer's
   bias; adaptation adds W′b′ - Wb to that bias. The policy's network therefore needs no
   change to act, before and after adaptation.
4. The second derivative of the l1 loss is that of the network alone, since the absolute
   value has a second derivative of 0 almost everywhere; that of the l2 loss is complete.
5. Every entry of an inner gradient is clipped (``clip``), since a second-order
   meta-gradient through one diverging inner step would end the training.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Size, Tensor, nn
from torch.func import vmap

from robomtl.adaptation.meta.inner_loop import (
    Losses,
    Order,
    Parameters,
    inner_loop,
    losses_of,
    weights_of,
)
from robomtl.adaptation.meta.inner_training import InnerMethod, InnerObjective
from robomtl.errors import InputError
from robomtl.nearest import unknown
from robomtl.policy import Batch, Policy
from robomtl.ranges import check_not_negative, check_positive

Adapting = Literal["all", "head"]
Rates = Literal["fixed", "learned"]

_MATRIX, _VECTOR = "meta.matrix", "meta.vector"


class Learned(nn.Module):
    """Parameters that MAML trains beside the weights: learned rates and transformation.

    Args:
        first: Length of the output of the layer that the transformation shifts.
        vector: Length of the transformation's vector; 0 for no transformation.
        adapting: Shapes of the adapting weights, by name; None for fixed rates.
    """

    def __init__(
        self, first: int, vector: int, adapting: dict[str, Size] | None
    ) -> None:
        super().__init__()
        shapes = dict(adapting or {})
        if vector:
            self.matrix = nn.Parameter(torch.randn(first, vector) / vector**0.5)
            self.vector = nn.Parameter(torch.zeros(vector))
        if vector and adapting is not None:
            shapes |= {_MATRIX: self.matrix.shape, _VECTOR: self.vector.shape}
        self.log_rates = nn.ParameterDict(
            {_key(name): torch.zeros(shape) for name, shape in shapes.items()}
        )


@dataclass(frozen=True, kw_only=True)
class MamlObjective(InnerObjective):
    """Minimises the loss of queries after gradient steps on the support."""

    clip: float = 10.0
    """Bound to ± which every entry of an inner gradient is clipped; departure 5."""
    order: Order = "second"
    """``second``, or ``first`` to treat inner gradients as constants, which takes two
    fifths of the time."""
    adapts: Adapting = "all"
    """Weights that the inner loop changes: ``all``, or ``head`` (ANIL)."""
    rates: Rates = "fixed"
    """Inner learning rates: ``fixed``, or ``learned`` for every weight (Meta-SGD)."""
    transformation: int = 0
    """Length of a learned, adapting vector that is appended to the input of the first
    layer (MIL); 0 for none."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a name is unknown or a number out of range.
        """
        super().__post_init__()
        for name, known in (("order", Order), ("adapts", Adapting), ("rates", Rates)):
            if getattr(self, name) not in get_args(known):
                raise InputError(unknown(name, getattr(self, name), get_args(known)))
        check_positive(self, "clip", endless=("clip",))
        check_not_negative(self, "transformation")

    def meta(self, policy: Policy) -> nn.Module | None:
        """Learned rates and transformation; None if neither is configured."""
        adapting = {name: value.shape for name, value in self._weights(policy).items()}
        learned = adapting if self.rates == "learned" else None
        if learned is None and not self.transformation:
            return None
        first = first_bias(policy) if self.transformation else None
        size = 0 if first is None else len(policy.get_parameter(first))
        return Learned(size, self.transformation, learned)

    def query_losses(
        self, policy: Policy, support: Batch, query: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Terms of equation 1 of Finn 2017; see ``InnerObjective``."""
        losses = losses_of(policy)

        def after(support: Batch, query: Batch) -> Tensor:
            return losses(self.adapted(policy, [support] * self.steps), query)

        per_task: Tensor = vmap(after, randomness="different")(support, query)
        return per_task, {}

    def adapted(self, policy: Policy, batches: Iterable[Batch]) -> dict[str, Tensor]:
        """See ``InnerObjective``."""
        changing = self._weights(policy)
        if not self.transformation:
            return self._descended(policy, losses_of(policy), changing, batches)
        first, losses = first_bias(policy), losses_of(policy)
        fixed = policy.get_parameter(first)
        matrix, vector = policy.get_parameter(_MATRIX), policy.get_parameter(_VECTOR)

        def weights(values: Parameters) -> dict[str, Tensor]:
            added = values[_MATRIX] @ values[_VECTOR] - matrix @ vector  # Departure 3.
            plain = {n: v for n, v in values.items() if n not in (_MATRIX, _VECTOR)}
            return plain | {first: values.get(first, fixed) + added}

        def transformed(values: Parameters, batch: Batch) -> Tensor:
            return losses(weights(values), batch)

        changing |= {_MATRIX: matrix, _VECTOR: vector}
        return weights(self._descended(policy, transformed, changing, batches))

    def _descended(
        self,
        policy: Policy,
        losses: Losses,
        changing: Parameters,
        batches: Iterable[Batch],
    ) -> dict[str, Tensor]:
        return inner_loop(
            losses,
            changing,
            batches,
            rates=self._rates(policy, changing),
            order=self.order,
            clip=self.clip,
        )

    def _weights(self, policy: Policy) -> dict[str, Tensor]:
        weights = weights_of(policy)
        if self.adapts == "all":
            return weights
        head = {n: v for n, v in weights.items() if n.startswith("head.")}
        if not head:
            raise InputError(
                f"{type(policy).__name__} has no module named head; give adapts='all'."
            )
        return head

    def _rates(self, policy: Policy, changing: Parameters) -> float | dict[str, Tensor]:
        if self.rates == "fixed":
            return self.inner_rate
        return {  # Departure 2.
            name: self.inner_rate
            * policy.get_parameter(f"meta.log_rates.{_key(name)}").exp()
            for name in changing
        }


def first_bias(policy: Policy) -> str:
    """Name of the bias of the first linear layer outside the task encoder and the head.

    Raises:
        InputError: If there is no such layer with a bias.
    """
    for name, module in policy.named_modules():
        part = name.partition(".")[0]
        if isinstance(module, nn.Linear) and part not in ("encoder", "head", "meta"):
            if module.bias is not None:
                return f"{name}.bias"
    raise InputError(
        f"{type(policy).__name__} has no linear layer with a bias for a transformation"
        " to shift; give transformation=0."
    )


def _key(name: str) -> str:
    """A parameter's name as a key of ``ParameterDict``, which must not contain dots."""
    return name.replace(".", "/")


@dataclass(frozen=True, kw_only=True)
class AnilObjective(MamlObjective):
    """MAML whose inner loop changes the head alone."""

    adapts: Adapting = "head"


@dataclass(frozen=True, kw_only=True)
class MetaSgdObjective(MamlObjective):
    """MAML that learns the inner rate of every weight."""

    rates: Rates = "learned"


@dataclass(frozen=True, kw_only=True)
class MilObjective(MamlObjective):
    """MAML with one inner step and a bias transformation."""

    steps: int = 1
    transformation: int = 20


@dataclass(frozen=True, kw_only=True)
class Maml(InnerMethod):
    """Runs the inner loop of a policy trained by MAML."""

    objective: ClassVar[str | None] = "maml"
    steps: ClassVar[int] = MamlObjective.steps


@dataclass(frozen=True, kw_only=True)
class Anil(InnerMethod):
    """Runs the inner loop, on the head alone, of a policy trained by ANIL."""

    objective: ClassVar[str | None] = "anil"
    steps: ClassVar[int] = AnilObjective.steps


@dataclass(frozen=True, kw_only=True)
class MetaSgd(InnerMethod):
    """Runs the inner loop of a policy trained by Meta-SGD, with the learned rates."""

    objective: ClassVar[str | None] = "meta_sgd"
    steps: ClassVar[int] = MetaSgdObjective.steps


@dataclass(frozen=True, kw_only=True)
class Mil(InnerMethod):
    """Runs the inner loop of a policy trained by MIL."""

    objective: ClassVar[str | None] = "mil"
    steps: ClassVar[int] = MilObjective.steps
