"""The state of training, one gradient step, and both on disk."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from robomtl.durable import replacing
from robomtl.policy import Batch, Loss, Policy
from robomtl.training.config import TrainConfig


class NotFiniteError(FloatingPointError):
    """A loss or gradient was not finite; no weight has changed.

    Args:
        what: Which of the two, and its value.
        per_sample: Losses of the batch; (batch,).
    """

    def __init__(self, what: str, per_sample: Tensor) -> None:
        super().__init__(what)
        self.per_sample = per_sample


class Learner:
    """A policy in training: weights, their running average, and the optimiser.

    Args:
        policy: Freshly built; trained in place.
        config: Settings of the run.
    """

    def __init__(self, policy: Policy, config: TrainConfig) -> None:
        self.policy = policy.train()
        self.step = 0
        self._config = config
        self._parameters: list[Tensor] = [
            p for p in policy.parameters() if p.requires_grad
        ]
        self._average = [p.detach().clone() for p in self._parameters]
        self._optimiser = torch.optim.AdamW(
            self._parameters,
            lr=torch.tensor(config.learning_rate),
            weight_decay=config.weight_decay,
            fused=True,
        )

    def update(self, batch: Batch) -> tuple[Loss, Tensor]:
        """Takes one gradient step on the mean loss of a batch.

        Returns:
            The loss of each sample, and the norm of the gradient before clipping.

        Raises:
            NotFiniteError: If the loss or its gradient is not finite.
        """
        config = self._config
        precision = getattr(torch, config.precision)
        device = batch.action.device.type
        mixed = config.precision != "float32"
        with torch.autocast(device, precision, enabled=mixed):
            loss = self.policy.loss(batch)
        mean = loss.per_sample.mean()
        if not math.isfinite(mean.item()):
            raise NotFiniteError(f"The loss is {mean.item()}.", loss.per_sample)
        self._optimiser.zero_grad(set_to_none=True)
        mean.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, config.clip)
        if not math.isfinite(norm.item()):
            raise NotFiniteError(f"The gradient is {norm.item()}.", loss.per_sample)
        self._optimiser.param_groups[0]["lr"].fill_(learning_rate(self.step, config))
        self._optimiser.step()
        self.step += 1
        self._update_average()
        return loss, norm

    def averaged(self) -> dict[str, Tensor]:
        """The policy's state with averaged weights: what acts."""
        state = {
            name: value.clone() for name, value in self.policy.state_dict().items()
        }
        state.update(zip(self._names(), self._average, strict=True))
        return state

    def save(self, path: Path) -> None:
        """Writes everything training goes on from, durably, as one safetensors file."""
        tensors = {f"weights.{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {
            f"average.{name}": value
            for name, value in zip(self._names(), self._average, strict=True)
        }
        for name, parameter in zip(self._names(), self._parameters, strict=True):
            for key, value in self._optimiser.state[parameter].items():
                tensors[f"{key}.{name}"] = value
        tensors["step"] = torch.tensor(self.step)
        with replacing(path) as temporary:
            save_file({k: v.contiguous() for k, v in tensors.items()}, temporary)

    def restore(self, path: Path) -> None:
        """Goes back to where ``save`` was called, bit for bit."""
        tensors = load_file(path)
        self.step = int(tensors["step"])
        self.policy.load_state_dict(_part(tensors, "weights"))
        average = _part(tensors, "average")
        for name, parameter, mean in zip(
            self._names(), self._parameters, self._average, strict=True
        ):
            mean.copy_(average[name])
            self._optimiser.state[parameter] = {
                key: tensors[f"{key}.{name}"].to(parameter.device)
                for key in ("step", "exp_avg", "exp_avg_sq")
            }

    def _names(self) -> Iterator[str]:
        return (n for n, p in self.policy.named_parameters() if p.requires_grad)

    def _update_average(self) -> None:
        """Moves the average towards the weights, faster while there are few steps."""
        decay = min(self._config.ema, self.step / (self.step + 10))
        with torch.no_grad():
            for mean, weight in zip(self._average, self._parameters, strict=True):
                mean.lerp_(weight, 1 - decay)


def learning_rate(step: int, config: TrainConfig) -> float:
    """The learning rate of a step.

    ``cosine`` falls from the largest rate to 0 along half a cosine; ``one_cycle`` first
    rises to it linearly over the warm-up.
    """
    if config.schedule == "constant":
        return config.learning_rate
    rise = config.warm_up * config.steps if config.schedule == "one_cycle" else 0.0
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
