"""One gradient step and its state on disk: what learners have in common."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as serialise
from torch import Tensor

from robomtl.earlier import present_tensors
from robomtl.errors import InputError
from robomtl.execution.machine import precision_on
from robomtl.files.durable import replacing
from robomtl.files.weights import (
    check_by_task,
    check_finite,
    check_same,
    read_header,
    read_tensors,
)
from robomtl.policy import Loss, Policy
from robomtl.training.combiner_for import combiner_for
from robomtl.training.combining import Combiner, NotFiniteError
from robomtl.training.config import TrainConfig
from robomtl.training.conflicts import cosines
from robomtl.training.divided import parts_of
from robomtl.training.gradients import task_gradients
from robomtl.training.objective import Cloning, Follows, Objective, Projecting
from robomtl.training.parameter_groups import grouped
from robomtl.training.processes import ALONE, Processes
from robomtl.training.schedule import learning_rate
from robomtl.training.scored import Scored, check_differentiable

# Moving the average costs 1 % of a step: after the first 1000 only every 8th does.
_FEW, _AVERAGE_EVERY = 1000, 8


class GradientLearner(ABC):
    """A policy in training by AdamW; subclasses say how its weights are stored.

    Args:
        policy: Trained in place where its parameters require a gradient.
        config: Settings of the run.
        objective: What is minimised; behaviour cloning if None.
        tasks: Names of the tasks, by index, where the config weighs them.
        processes: Share the batches; this one alone by default.
        combiner: Weighs tasks in place of the one that the config names.

    Raises:
        ValueError: If the policy has nothing to train, or a part or a weight names
            nothing.
    """

    optimiser: torch.optim.Optimizer
    """Has one group of parameters for each of ``_groups``."""

    def __init__(
        self,
        policy: Policy,
        config: TrainConfig,
        objective: Objective | None = None,
        tasks: Sequence[str] = (),
        *,
        processes: Processes = ALONE,
        combiner: Combiner | None = None,
    ) -> None:
        self.policy = policy.train()
        self.step = 0
        self.validation: Tensor | None = None
        """Validation loss of each task when it was last measured; (task,)."""
        self._config, self.tasks = config, tasks
        self._processes = processes
        self._combiner = combiner or combiner_for(config, tasks, processes)
        self._groups = grouped(policy, config)
        named = dict(policy.named_parameters())
        self._named = {name: named[name] for g in self._groups for name in g.names}
        self._parameters = list(self._named.values())
        precision = getattr(torch, precision_on(self.device, config.precision))
        self._objective = objective or Cloning()
        self._scored = Scored(policy, self._objective, precision)
        # Compiled beside the policy, whose parameters keep their names.
        self._stepped: Any = (
            torch.compile(self._scored) if config.compile else self._scored
        )
        self._store_weights()

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self._parameters[0].device

    def update(self, batch: Any) -> tuple[Loss, float]:
        """Takes one gradient step; see ``Learner``."""
        self._forget_gradient()
        loss = self._combiner.backward(self._stepped, batch)
        if isinstance(self._objective, Projecting):
            self._objective.project(self.policy, batch)
        norm = self._clip_gradient(self._config.max_grad_norm)
        if not math.isfinite(norm):
            raise NotFiniteError(f"The gradient is {norm}.", loss.per_sample)
        rate = learning_rate(self.step, self._config)
        pairs = zip(self.optimiser.param_groups, self._groups, strict=True)
        for settings, group in pairs:
            settings["lr"] = rate * group.factor
        self.optimiser.step()
        if isinstance(self._objective, Follows):
            self._objective.follow(self.policy)
        self._combiner.finish(self._stepped, batch)
        self.step += 1
        self._update_average()
        return loss, norm

    def rehearse(self, batch: Any) -> None:
        """Computes the gradient of a batch and forgets it; see ``Learner``."""
        for part in parts_of(batch):
            loss = self._stepped(part).per_sample.mean()
            check_differentiable(loss)
            loss.backward()
        self._forget_gradient()

    def weights(self) -> dict[str, float]:
        """Weights of the tasks in the last step, by name; see ``Learner``."""
        weights = self._combiner.weights
        if weights is None:
            return {}
        return dict(zip(self.tasks, weights.tolist(), strict=True))

    def cosines(self, batch: Any) -> Tensor:
        """Cosines between the gradients of the tasks' losses; see ``Learner``."""
        return cosines(task_gradients(self._scored, batch, self.tasks).gramian())

    def averaged(self) -> dict[str, Tensor]:
        """The policy's state with averaged weights: what acts."""
        state = {
            name: value.clone() for name, value in self.policy.state_dict().items()
        }
        if not self._config.ema_decay:
            return state
        averages = self._averages()
        names = {id(it): name for name, it in self._named.items()}
        shared = self.policy.named_parameters(remove_duplicate=False)
        places = {name: names.get(id(it)) for name, it in shared}
        return state | {
            name: averages[place] for name, place in places.items() if place is not None
        }

    def save(self, path: Path) -> None:
        """Writes everything training goes on from; see ``Learner``."""
        tensors = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"combiner.{k}": v for k, v in self._combiner.state().items()}
        tensors |= {**self._optimised(), "step": torch.tensor(self.step)}
        if self.validation is not None:
            tensors["validation"] = self.validation
        # As bytes, so that a full disk is an error of the disk and not of safetensors.
        content = serialise({name: value.clone() for name, value in tensors.items()})
        with replacing(path) as temporary:
            temporary.write_bytes(content)

    def restore(self, path: Path) -> None:
        """Goes back to where ``save`` was called, bit for bit; see ``Learner``."""
        expected = self._expected()
        found = present_tensors(read_header(path), expected)
        by_task = {name: it for name, it in found.items() if _is_by_task(name)}
        numbers = {len(self.tasks), self._combiner.groups or len(self.tasks)}
        check_by_task(by_task, numbers, where=path)
        check_same(found, expected | by_task, where=path)
        stored = present_tensors(read_tensors(path), expected)
        check_finite(stored, expected, where=path)
        if not 0 <= int(stored["step"]) <= self._config.steps:
            raise InputError(
                f"{path} is damaged: its step is {int(stored['step'])}, of"
                f" {self._config.steps}."
            )
        tensors = {name: value.to(self.device) for name, value in stored.items()}
        self.step = int(tensors["step"])
        self.policy.load_state_dict(part_of(tensors, "policy"))
        self._restore_optimised(tensors)
        try:
            self._combiner.restore(part_of(stored, "combiner"))
        except KeyError as error:
            raise InputError(
                f"{path} does not fit: it lacks tensor combiner.{error.args[0]}."
            ) from error
        self.validation = stored.get("validation")

    def _forget_gradient(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def _expected(self) -> dict[str, Tensor]:
        """The tensors that ``save`` writes, except those kept for each task."""
        policy = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        return {
            **policy,
            **self._expected_optimised(),
            "step": torch.tensor(self.step),
        }

    def _update_average(self) -> None:
        """Moves the average towards the weights, faster while there are few steps."""
        decay = min(self._config.ema_decay, self.step / (self.step + 10))
        steps = 1 if self.step < _FEW else _AVERAGE_EVERY
        if self.step % steps == 0:
            with torch.no_grad():
                self._move_average(1 - decay**steps)

    @abstractmethod
    def _store_weights(self) -> None:
        """Settles how the weights are stored, their average, and the optimiser."""

    @abstractmethod
    def _clip_gradient(self, limit: float) -> float:
        """Adds up the gradients of all processes, and clips the norm; returns it before."""

    @abstractmethod
    def _move_average(self, fraction: float) -> None:
        """Moves the average by a fraction of its way to the weights."""

    @abstractmethod
    def _averages(self) -> dict[str, Tensor]:
        """The averaged weights as tensors of the policy's layers, by name."""

    @abstractmethod
    def _optimised(self) -> dict[str, Tensor]:
        """State of the optimiser, and the average, as they are saved."""

    @abstractmethod
    def _expected_optimised(self) -> dict[str, Tensor]:
        """Tensors of the names, shapes and types of ``_optimised`` after a step."""

    @abstractmethod
    def _restore_optimised(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the state of the optimiser, and the average, from what was saved."""


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix and a dot, without these."""
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def _is_by_task(name: str) -> bool:
    return name == "validation" or name.startswith("combiner.")
