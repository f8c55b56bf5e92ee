"""Learner that stores all weights in one vector: fastest for many small layers."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.training.adamw import adamw
from robomtl.training.gradient_learner import GradientLearner, part_of

_MOMENTS = ("exp_avg", "exp_avg_sq")


class JoinedLearner(GradientLearner):
    """Stores the weights in one vector, of which the policy's parameters are views.

    Clipping, the optimiser and the average are one operation each, not one for every
    layer. The parameters of an optimiser group are adjacent in the vector.
    """

    def _store_weights(self) -> None:
        self._weights = _joined(self._parameters)
        self._weights.grad = torch.zeros_like(self._weights)
        self._average = self._weights.detach().clone()
        self._slices = self._by_group()
        self.optimiser = adamw(
            self._groups, [[each] for each in self._slices], self._config.learning_rate
        )

    def _by_group(self) -> list[Tensor]:
        """The slice of the vector for each group, with its slice of the gradient."""
        assert self._weights.grad is not None
        sizes = [
            sum(self._named[name].numel() for name in group.names)
            for group in self._groups
        ]
        slices = list(torch.split(self._weights, sizes))
        for part, gradient in zip(
            slices, torch.split(self._weights.grad, sizes), strict=True
        ):
            part.grad = gradient
        return slices

    def _clip_gradient(self, limit: float) -> float:
        gradient = self._weights.grad
        assert gradient is not None
        parts = [
            (torch.zeros_like(p) if p.grad is None else p.grad).flatten()
            for p in self._parameters
        ]
        torch.cat(parts, out=gradient)
        self._forget_gradient()
        self._processes.add_up([gradient])
        norm: float = gradient.norm().item()
        if norm > limit:
            gradient.mul_(limit / norm)
        return norm

    def _move_average(self, fraction: float) -> None:
        self._average.lerp_(self._weights, fraction)

    def _averages(self) -> dict[str, Tensor]:
        sizes = [parameter.numel() for parameter in self._parameters]
        parts = torch.split(self._average, sizes)
        pairs = zip(self._named.items(), parts, strict=True)
        return {name: part.view_as(it).clone() for (name, it), part in pairs}

    def _optimised(self) -> dict[str, Tensor]:
        states = [self.optimiser.state[each] for each in self._slices]
        moments = {k: torch.cat([state[k] for state in states]) for k in _MOMENTS}
        state = {"step": states[0]["step"], **moments}
        return {f"adam.{k}": v for k, v in state.items()} | {"average": self._average}

    def _expected_optimised(self) -> dict[str, Tensor]:
        return {
            "average": self._average,
            "adam.step": torch.tensor(0.0),
            "adam.exp_avg": self._weights.detach(),
            "adam.exp_avg_sq": self._weights.detach(),
        }

    def _restore_optimised(self, tensors: Mapping[str, Tensor]) -> None:
        self._average.copy_(tensors["average"])
        state, sizes = part_of(tensors, "adam"), [len(each) for each in self._slices]
        parts = [torch.split(state[name], sizes) for name in _MOMENTS]
        for each, *moments in zip(self._slices, *parts, strict=True):
            named = dict(zip(_MOMENTS, moments, strict=True))
            copied = {name: value.clone() for name, value in named.items()}
            self.optimiser.state[each] = {"step": state["step"].clone(), **copied}


def _joined(parameters: Sequence[nn.Parameter]) -> Tensor:
    """One vector of all values; turns the parameters into views of it."""
    kinds = sorted({str(each.dtype).removeprefix("torch.") for each in parameters})
    if len(kinds) > 1:
        raise InputError(
            f"The policy has parameters of types {', '.join(kinds)}, and learner 'joined'"
            " stores all in one vector; give learner 'module' (--learner module)."
        )
    joined = torch.cat([parameter.detach().flatten() for parameter in parameters])
    parts = torch.split(joined, [parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.view_as(parameter)
    return joined
