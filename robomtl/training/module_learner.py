"""Learner that optimises the parameters of a policy one by one."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from robomtl.training.adamw import adamw
from robomtl.training.gradient_learner import GradientLearner


class ModuleLearner(GradientLearner):
    """Optimises the parameters of a policy one by one, in their own storage.

    It trains policies whose parameters cannot be joined in one vector: parameters of
    several types, or wrapped by a library that owns their storage.
    """

    def _store_weights(self) -> None:
        self._average = [p.detach().clone() for p in self._parameters]
        grouped = [[self._named[name] for name in g.names] for g in self._groups]
        self.optimiser = adamw(self._groups, grouped, self._config.learning_rate)

    def _clip_gradient(self, limit: float) -> float:
        for parameter in self._parameters:
            # A parameter that the batch does not use has weight decay all the same.
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._processes.add_up(p.grad for p in self._parameters if p.grad is not None)
        norm: float = clip_grad_norm_(self._parameters, limit).item()
        return norm

    def _move_average(self, fraction: float) -> None:
        for average, parameter in zip(self._average, self._parameters, strict=True):
            average.lerp_(parameter, fraction)

    def _averages(self) -> dict[str, Tensor]:
        pairs = zip(self._named, self._average, strict=True)
        return {name: average.clone() for name, average in pairs}

    def _optimised(self) -> dict[str, Tensor]:
        states = {k: self.optimiser.state[p] for k, p in self._named.items()}
        moments = {
            f"adam.{name}.{kind}": value
            for name, state in states.items()
            for kind, value in state.items()
        }
        averages = zip(self._named, self._average, strict=True)
        return moments | {f"average.{name}": value for name, value in averages}

    def _expected_optimised(self) -> dict[str, Tensor]:
        expected = {}
        for name, parameter in self._named.items():
            expected[f"adam.{name}.step"] = torch.tensor(0.0)
            expected[f"adam.{name}.exp_avg"] = parameter.detach()
            expected[f"adam.{name}.exp_avg_sq"] = parameter.detach()
            expected[f"average.{name}"] = parameter.detach()
        return expected

    def _restore_optimised(self, tensors: Mapping[str, Tensor]) -> None:
        for (name, parameter), average in zip(
            self._named.items(), self._average, strict=True
        ):
            average.copy_(tensors[f"average.{name}"])
            kinds = ("step", "exp_avg", "exp_avg_sq")
            state = {kind: tensors[f"adam.{name}.{kind}"] for kind in kinds}
            self.optimiser.state[parameter] = state
