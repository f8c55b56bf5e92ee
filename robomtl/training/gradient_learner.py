"""Base class of learners: the gradient step, and the state that is saved on disk."""

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
from robomtl.training.objective import (
    Cloning,
    MomentumObjective,
    Objective,
    ProjectingObjective,
)
from robomtl.training.parameter_groups import grouped
from robomtl.training.processes import ALONE, Processes
from robomtl.training.schedule import learning_rate
from robomtl.training.scored import Scored, check_differentiable

# An update of the average takes 1 % of a step: after 1000 steps, only every 8th does one.
_FEW, _AVERAGE_EVERY = 1000, 8


class GradientLearner(ABC):
    """A policy in training by AdamW; subclasses define how its weights are stored.

    Args:
        policy: Policy whose parameters are trained in place if they require a gradient.
        config: Settings of the run.
        objective: Training objective; behaviour cloning if None.
        tasks: Names of the tasks, by index, if the config weights them.
        processes: Processes that share the batches; this one alone by default.
        combiner: Combiner in place of the one that the config names.

    Raises:
        ValueError: If the policy has nothing to train, or lacks a part or a task that the
            config names.
    """

    optimiser: torch.optim.Optimizer
    """Optimiser with one group of parameters for each of ``_groups``."""

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
        if isinstance(self._objective, ProjectingObjective):
            self._objective.project(self.policy, batch)
        norm = self._clip_gradient(self._config.max_grad_norm)
        if not math.isfinite(norm):
            raise NotFiniteError(f"The gradient is {norm}.", loss.per_sample)
        rate = learning_rate(self.step, self._config)
        pairs = zip(self.optimiser.param_groups, self._groups, strict=True)
        for settings, group in pairs:
            settings["lr"] = rate * group.factor
        self.optimiser.step()
        if isinstance(self._objective, MomentumObjective):
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
        """The policy's state with averaged weights, which act; see ``Learner``."""
        state = {
            name: value.clone() for name, value in self.policy.state_dict().items()
        }
        if not self._config.ema_decay:
            return state
        averages = self._averages()
        names = {id(it): name for name, it in self._named.items()}
        shared = self.policy.named_parameters(remove_duplicate=False)
        trained = {name: names.get(id(it)) for name, it in shared}
        return state | {
            name: averages[first]
            for name, first in trained.items()
            if first is not None
        }

    def save(self, path: Path) -> None:
        """Writes the state from which training resumes; see ``Learner``."""
        tensors = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        tensors |= {f"combiner.{k}": v for k, v in self._combiner.state().items()}
        tensors |= {**self._optimised(), "step": torch.tensor(self.step)}
        if self.validation is not None:
            tensors["validation"] = self.validation
        # Written as bytes: a full disk is then an OSError, not an error of safetensors.
        content = serialise({name: value.clone() for name, value in tensors.items()})
        with replacing(path) as temporary:
            temporary.write_bytes(content)

    def restore(self, path: Path) -> None:
        """Restores what ``save`` wrote, bit for bit; see ``Learner``."""
        expected = self._expected()
        header = present_tensors(read_header(path), expected)
        by_task = {name: it for name, it in header.items() if _is_by_task(name)}
        numbers = {len(self.tasks), self._combiner.groups or len(self.tasks)}
        check_by_task(by_task, numbers, where=path)
        check_same(header, expected | by_task, where=path)
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
        """The tensors that ``save`` writes, except those with a value for each task."""
        policy = {f"policy.{k}": v for k, v in self.policy.state_dict().items()}
        return {
            **policy,
            **self._expected_optimised(),
            "step": torch.tensor(self.step),
        }

    def _update_average(self) -> None:
        """Moves the average towards the weights, faster in the first steps."""
        decay = min(self._config.ema_decay, self.step / (self.step + 10))
        steps = 1 if self.step < _FEW else _AVERAGE_EVERY
        if self.step % steps == 0:
            with torch.no_grad():
                self._move_average(1 - decay**steps)

    @abstractmethod
    def _store_weights(self) -> None:
        """Sets up the storage of the weights, their average, and the optimiser."""

    @abstractmethod
    def _clip_gradient(self, limit: float) -> float:
        """Sums the gradients of all processes and clips them; returns the norm before."""

    @abstractmethod
    def _move_average(self, fraction: float) -> None:
        """Moves the average towards the weights by a fraction of their difference."""

    @abstractmethod
    def _averages(self) -> dict[str, Tensor]:
        """The averaged weights as tensors of the policy's layers, by name."""

    @abstractmethod
    def _optimised(self) -> dict[str, Tensor]:
        """State of the optimiser, and the average, as named tensors to save."""

    @abstractmethod
    def _expected_optimised(self) -> dict[str, Tensor]:
        """Tensors with the names, shapes and types of ``_optimised`` after a step."""

    @abstractmethod
    def _restore_optimised(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores the state of the optimiser, and the average, from saved tensors."""


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix and a dot, named without them."""
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def _is_by_task(name: str) -> bool:
    return name == "validation" or name.startswith("combiner.")
