"""PackNet: each task owns a subset of the weights, which later tasks cannot change.

Source: Mallya and Lazebnik 2018, "PackNet" (arXiv:1711.05769), section 3: train the free
weights, keep the largest of each layer for the task, set the others to zero, retrain the
kept ones, and act with the weights of the task and of the tasks before it. As in the
paper's code, biases and normalisation layers stay as the first task left them. Departures:

1. By default all tasks keep the same fraction of all weights: the k-th of n tasks keeps
   1/(n - k + 1) of the free ones, as in Continual World, where the paper has a quarter or a
   half throughout.
2. Retraining uses a fraction of the steps of a task instead of additional steps.
3. Weights do not decay, since that would change those of earlier tasks.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from robomtl import checkpoint
from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.lifelong_method import StreamSetting
from robomtl.continual.stage import Stage
from robomtl.errors import InputError
from robomtl.policy import Batch, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.ranges import check_not_negative, check_types
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Cloning, Draws, Material

_MOST = 255
_FREE = 0


class Owners(nn.Module):
    """Owner of each weight: the number of a task, counted from 1, or 0 if it is free.

    Args:
        number: Number of weights.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.owner: Tensor
        self.register_buffer("owner", torch.zeros(number, dtype=torch.uint8))

    def by_parameter(self, policy: Policy) -> list[tuple[nn.Parameter, Tensor]]:
        """Pairs of a parameter and a view on the owners of its weights."""
        parameters = list(policy.parameters())
        parts = torch.split(self.owner, [each.numel() for each in parameters])
        pairs = zip(parameters, parts, strict=True)
        return [(each, part.view_as(each)) for each, part in pairs]


@dataclass(frozen=True, kw_only=True)
class PacknetTraining:
    """Behaviour cloning that trains the weights of one owner and freezes the others."""

    owner: int = _FREE
    """Owner whose weights are trained; 0 for the free weights."""

    def __post_init__(self) -> None:
        """Checks the owner.

        Raises:
            InputError: If it is negative.
        """
        check_types(self)
        check_not_negative(self, "owner")

    @property
    def demonstration(self) -> int:
        """Length 0: no vector is inferred from demonstrations."""
        return 0

    def meta(self, policy: Policy) -> Owners:
        """Owners of the weights, all of which are free."""
        return Owners(policy.num_parameters)

    def draws(self, material: Material, config: TrainConfig) -> Draws:
        """Sampler of frames, the same as for behaviour cloning."""
        return Cloning().draws(material, config)

    def validation(self, material: Material) -> Iterator[Batch]:
        """Batches of held-out demonstrations, in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Batch) -> Loss:
        """The policy's own loss of each sample."""
        return loss_of(policy, batch)

    def project(self, policy: Policy, batch: Any) -> None:
        """Sets the gradients of other owners' weights to 0."""
        assert isinstance(policy.meta, Owners)
        for parameter, owner in policy.meta.by_parameter(policy):
            if parameter.grad is not None:
                parameter.grad.mul_(owner == self.owner)


@dataclass(frozen=True, kw_only=True)
class Packnet:
    """Prunes the network after each task; the next task trains the free weights."""

    keep: float | None = None
    """Fraction of the free weights of each layer that a task keeps; None for an equal
    number of weights for every task."""
    retraining: float = 0.5
    """Fraction of the steps of a task that is taken after pruning."""

    needs_id: ClassVar[bool] = True
    at_once: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a fraction is not between 0 and 1.
        """
        check_types(self)
        for name in ("keep", "retraining"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise InputError(f"{name} is {value}; give a number between 0 and 1.")

    def check(self, setting: StreamSetting) -> None:
        """Checks that the stream has no more stages than owners can be numbered.

        Raises:
            InputError: If the stream has more.
        """
        if setting.stages > _MOST:
            raise InputError(
                f"packnet numbers up to {_MOST} tasks, and the stream has"
                f" {setting.stages}; give a shorter one."
            )

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Trains, prunes and retrains the policy on the new task; see ``LifelongMethod``."""
        data, number = stage.first({stage.task: None}), stage.number + 1
        later = round(self.retraining * stage.training.steps)
        # Weight decay would change the weights of earlier tasks.
        config = replace(stage.training, weight_decay=0.0, weight_decays=())
        trained = stage.train(
            data,
            before,
            objective="packnet",
            objective_config={"owner": _FREE},
            config=replace(config, steps=max(config.steps - later, 1)),
        )
        claim(trained.policy, number, self._kept(stage))
        return stage.train(
            data,
            checkpoint.packed(trained.policy, trained.card),
            objective="packnet",
            objective_config={"owner": number},
            config=replace(config, steps=max(later, 1)),
            out=stage.run / "pruned",
        )

    def acting(self, learned: TrainedPolicy, stage: Stage, task: str) -> TrainedPolicy:
        """The policy with the weights of the task and of earlier ones, all others 0."""
        own = stage.stage_of(task) or stage
        policy = copy.deepcopy(learned.policy)
        assert isinstance(policy.meta, Owners)
        policy.meta.owner[policy.meta.owner > own.number + 1] = _FREE
        for parameter, owner in policy.meta.by_parameter(policy):
            parameter.masked_fill_(owner == _FREE, 0.0)
        card = replace(learned.card, objective_config={"owner": own.number + 1})
        return checkpoint.packed(policy, card)

    def _kept(self, stage: Stage) -> float:
        if self.keep is not None:
            return self.keep
        return 1 / (len(stage.stream) - stage.number)


def claim(policy: Policy, owner: int, keep: float) -> None:
    """Assigns the largest free weights of each layer to an owner; sets the others to 0.

    Args:
        policy: Policy whose weights and owners are changed in place.
        owner: Number of the task.
        keep: Fraction of the free weights of a layer that is assigned. Free weights of
            biases and normalisation layers are all assigned.
    """
    assert isinstance(policy.meta, Owners)
    for parameter, owners in policy.meta.by_parameter(policy):
        free = owners == _FREE
        if parameter.ndim > 1:
            count = round(keep * int(free.sum()))
            sizes = torch.where(free, parameter.detach().abs(), -1.0).flatten()
            kept = torch.zeros_like(free.flatten())
            kept[sizes.topk(count).indices] = True
            kept = kept.view_as(free)
        else:
            kept = free
        owners[kept] = owner
        with torch.no_grad():
            parameter.masked_fill_(free & ~kept, 0.0)
