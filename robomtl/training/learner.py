"""The state of training, one gradient step, and both on disk."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch import Tensor, nn

from robomtl.durable import replacing
from robomtl.errors import InputError
from robomtl.machine import precision_on
from robomtl.policy import Loss, Policy
from robomtl.training.combining import NotFiniteError as NotFiniteError
from robomtl.training.combining import combiner_for
from robomtl.training.config import TrainConfig
from robomtl.training.conflicts import cosines
from robomtl.training.gradients import task_gradients
from robomtl.training.objective import Cloning, Objective
from robomtl.training.scored import Scored
from robomtl.weights import (
    check_by_task,
    check_finite,
    check_same,
    read_header,
    read_tensors,
)

# Moving the average costs 1 % of a step: after the first 1000 only every 8th does.
_FEW, _AVERAGE_EVERY = 1000, 8


class Learner:
    """A policy in training: weights, their running average, and the optimiser.

    The weights lie side by side in one vector, of which the policy's parameters are
    views: clipping, the optimiser and the average are one operation each, not one for
    every layer.

    Args:
        policy: Freshly built; trained in place.
        config: Settings of the run.
        objective: What is minimised.
        tasks: Names of the tasks, by index, where the config weighs them.

    Raises:
        ValueError: If the policy has nothing to train, or a weight names no task.
    """

    def __init__(
        self,
        policy: Policy,
        config: TrainConfig,
        objective: Objective | None = None,
        tasks: Sequence[str] = (),
    ) -> None:
        self.policy = policy.train()
        self.step = 0
        self.validation: Tensor | None = None
        """Validation loss of each task when it was last measured; (task,)."""
        self._config, self.tasks = config, tasks
        self._combiner = combiner_for(config, tasks)
        self._parameters = [p for p in policy.parameters() if p.requires_grad]
        self._weights = _joined(self._parameters)
        precision = getattr(torch, precision_on(self.device, config.precision))
        self._scored = Scored(policy, objective or Cloning(), precision)
        self._weights.grad = torch.zeros_like(self._weights)
        self._average = self._weights.detach().clone()
        self._optimiser = torch.optim.AdamW(
            [self._weights],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._weights.device

    def update(self, batch: Any) -> tuple[Loss, float]:
        """Takes one gradient step on a batch of the objective's kind.

        What is minimised is the mean loss, or what the config makes of the tasks' losses
        or gradients.

        Returns:
            The loss of each sample, and the norm of the gradient before clipping.

        Raises:
            NotFiniteError: If the loss or its gradient is not finite.
            ValueError: If the losses do not fit how tasks are weighed.
        """
        loss = self._combiner.backward(self._scored, batch)
        norm = self._gather_gradient()
        if not math.isfinite(norm):
            raise NotFiniteError(f"The gradient is {norm}.", loss.per_sample)
        self._optimiser.param_groups[0]["lr"] = learning_rate(self.step, self._config)
        self._optimiser.step()
        self._combiner.finish(self._scored, batch)
        self.step += 1
        self._update_average()
        return loss, norm

    def rehearse(self, batch: Any) -> None:
        """Computes the gradient of a batch and forgets it, to measure how long that takes."""
        self._scored(batch).per_sample.mean().backward()
        for parameter in self._parameters:
            parameter.grad = None

    def _gather_gradient(self) -> float:
        """Joins the layers' gradients, clipped; returns the norm before clipping."""
        gradient = self._weights.grad
        assert gradient is not None
        parts = [
            (torch.zeros_like(p) if p.grad is None else p.grad).flatten()
            for p in self._parameters
        ]
        torch.cat(parts, out=gradient)
        for parameter in self._parameters:
            parameter.grad = None
        norm: float = gradient.norm().item()
        if norm > self._config.max_grad_norm:
            gradient.mul_(self._config.max_grad_norm / norm)
        return norm

    def weights(self) -> dict[str, float]:
        """Weights of the tasks in the last step, by name; none where samples count alike.

        1 is what a task has in a mean.
        """
        weights = self._combiner.weights
        if weights is None:
            return {}
        return dict(zip(self.tasks, weights.tolist(), strict=True))

    def cosines(self, batch: Any) -> Tensor:
        """Cosines between the gradients of the tasks' losses; (task, task).

        Args:
            batch: Of the objective's kind, with samples of every task.
        """
        return cosines(task_gradients(self._scored, batch, self.tasks).gramian())

    def averaged(self) -> dict[str, Tensor]:
        """The policy's state with averaged weights: what acts."""
        state = {
            name: value.clone() for name, value in self.policy.state_dict().items()
        }
        return state | self._layers(
            self._average if self._config.ema_decay else self._weights
        )

    def save(self, path: Path) -> None:
        """Writes everything training goes on from, durably, as one safetensors file."""
        tensors = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"adam.{k}": v for k, v in self._moments().items()}
        tensors |= {f"combiner.{k}": v for k, v in self._combiner.state().items()}
        tensors |= {"average": self._average, "step": torch.tensor(self.step)}
        if self.validation is not None:
            tensors["validation"] = self.validation
        # As bytes, so that a full disk is an error of the disk and not of safetensors.
        content = serialise({name: value.clone() for name, value in tensors.items()})
        with replacing(path) as temporary:
            temporary.write_bytes(content)

    def restore(self, path: Path) -> None:
        """Goes back to where ``save`` was called, bit for bit.

        Raises:
            InputError: If the file is damaged, or not of this training.
        """
        expected, found = self._expected(), read_header(path)
        by_task = {name: it for name, it in found.items() if _is_by_task(name)}
        check_by_task(by_task, len(self.tasks), where=path)
        check_same(found, expected | by_task, where=path)
        stored = read_tensors(path)
        check_finite(stored, expected, where=path)
        if not 0 <= int(stored["step"]) <= self._config.steps:
            raise InputError(
                f"{path} is damaged: its step is {int(stored['step'])}, of"
                f" {self._config.steps}."
            )
        tensors = {name: value.to(self.device) for name, value in stored.items()}
        self.step = int(tensors["step"])
        self.policy.load_state_dict(_part(tensors, "policy"))
        self._average.copy_(tensors["average"])
        self._optimiser.state[self._weights] = _part(tensors, "adam")
        try:
            self._combiner.restore(_part(stored, "combiner"))
        except KeyError as error:
            raise InputError(
                f"{path} does not fit: it lacks tensor combiner.{error.args[0]}."
            ) from error
        self.validation = stored.get("validation")

    def _expected(self) -> dict[str, Tensor]:
        """What ``save`` writes, but for what is kept of each task."""
        policy = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        return {
            **policy,
            "average": self._average,
            "step": torch.tensor(self.step),
            "adam.step": torch.tensor(0.0),
            "adam.exp_avg": self._weights.detach(),
            "adam.exp_avg_sq": self._weights.detach(),
        }

    def _moments(self) -> dict[str, Tensor]:
        moments: dict[str, Tensor] = self._optimiser.state[self._weights]
        return moments

    def _layers(self, joined: Tensor) -> dict[str, Tensor]:
        """A joined vector as the tensors of the policy's layers, by name."""
        names = [n for n, p in self.policy.named_parameters() if p.requires_grad]
        parts = torch.split(joined, [p.numel() for p in self._parameters])
        return {
            name: part.view_as(parameter).clone()
            for name, part, parameter in zip(
                names, parts, self._parameters, strict=True
            )
        }

    def _update_average(self) -> None:
        """Moves the average towards the weights, faster while there are few steps."""
        decay = min(self._config.ema_decay, self.step / (self.step + 10))
        steps = 1 if self.step < _FEW else _AVERAGE_EVERY
        if self.step % steps == 0:
            with torch.no_grad():
                self._average.lerp_(self._weights, 1 - decay**steps)


def _joined(parameters: Sequence[nn.Parameter]) -> Tensor:
    """One vector of all values, of which the parameters become views."""
    joined = torch.cat([parameter.detach().flatten() for parameter in parameters])
    parts = torch.split(joined, [parameter.numel() for parameter in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.view_as(parameter)
    return joined


def _is_by_task(name: str) -> bool:
    return name == "validation" or name.startswith("combiner.")


def learning_rate(step: int, config: TrainConfig) -> float:
    """The learning rate of a step.

    ``cosine`` falls from the largest rate to 0 along half a cosine; ``warmup_cosine`` first
    rises to it linearly over the warm-up.
    """
    if config.schedule == "constant":
        return config.learning_rate
    rise = (
        config.warmup_fraction * config.steps
        if config.schedule == "warmup_cosine"
        else 0.0
    )
    if step < rise:
        return config.learning_rate * (step + 1) / (rise + 1)
    part = (step - rise) / max(config.steps - rise, 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * part))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }
