"""Objectives that adapt to a target domain of which only observations are known.

Batches contain as many samples of the target domain as of the demonstrations, drawn from
the same tasks in the same way; the actions of the target domain are never read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import Tensor

from robomtl.action_head import HeadPolicy
from robomtl.demonstrations.collect_missing import data_in
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.policy import POLICIES, Batch, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.ranges import check_not_negative
from robomtl.training.augmentation import Augmentation
from robomtl.training.config import TrainConfig
from robomtl.training.material import materials
from robomtl.training.objective import Cloning, Draws, Material

_STREAM = 104_729  # Separates the target's seed from that of the demonstrations' draws.


class Domains(NamedTuple):
    """Samples of demonstrations and of a target domain."""

    batch: Batch
    """Samples of demonstrations."""
    target: Batch
    """Samples of the target domain; their actions must not be read."""
    progress: Tensor
    """Fraction of the training completed, from 0 to 1; ()."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each sample of demonstrations; (sample,)."""
        return self.batch.task


@dataclass(frozen=True, kw_only=True)
class DomainDraws:
    """Draws samples of both domains; see ``Draws``."""

    source: Draws
    """Draws of the demonstrations."""
    target: Draws
    """Draws of the target domain."""
    steps: int
    """Gradient steps of the run."""

    def batch(self, step: int, size: int) -> Domains:
        """The batch of a step, with ``size`` samples of each domain."""
        source, target = (d.batch(step, size) for d in (self.source, self.target))
        progress = source.action.new_tensor(step / self.steps)
        return Domains(source, target, progress)


@dataclass(frozen=True, kw_only=True)
class TargetDomain:
    """Settings shared by objectives that align features with a target domain's."""

    target: str = ""
    """Data set of the target domain, with the same tasks; its actions are not read."""
    weight: float = 1.0
    """Weight of the alignment loss; the loss of behaviour cloning has weight 1."""

    def __post_init__(self) -> None:
        """Checks the weight.

        Raises:
            InputError: If it is negative.
        """
        check_not_negative(self, "weight")

    @property
    def demonstration(self) -> int:
        """Length of what is inferred from demonstrations: 0, as nothing is."""
        return 0

    def check(self, name: str, policy: type[Policy]) -> None:
        """Checks that the policy has features to align, and the target domain data.

        Raises:
            InputError: If either is missing.
        """
        if not (issubclass(policy, HeadPolicy) and policy.loss is HeadPolicy.loss):
            raise InputError(
                f"Policy '{name}' has no features to align; these have:"
                f" {', '.join(_fitting())}."
            )
        target_in(self.target)

    def meta(self, policy: Policy) -> None:
        """None: no module is trained beside the policy."""

    def draws(self, material: Material, config: TrainConfig) -> DomainDraws:
        """Draws of frames of the demonstrations and of the target domain.

        Raises:
            InputError: If the target domain lacks a task or a feature of the policy.
        """
        tasks = material.conditioning.tasks
        data = _with_tasks(target_in(self.target), tasks)
        plain = replace(config, validation=0.0, augmentation=Augmentation())
        target, _ = materials(
            data,
            material.conditioning,
            plain,
            chunk=material.chunk,
            history=material.frames.history,
        )
        other = replace(plain, seed=config.seed + _STREAM)
        return DomainDraws(
            source=Cloning().draws(material, config),
            target=Cloning().draws(target, other),
            steps=config.steps,
        )

    def validation(self, material: Material) -> Iterator[Batch]:
        """Batches of held-out demonstrations, in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Domains | Batch) -> Loss:
        """The policy's loss of each sample, plus the weighted alignment loss of the batch.

        A batch without a target domain, as in validation, has the policy's loss alone.
        """
        if isinstance(batch, Batch):
            return loss_of(policy, batch)
        assert isinstance(policy, HeadPolicy)
        source, target = (
            policy(each.observation, each.task_embedding).float()
            for each in (batch.batch, batch.target)
        )
        acted = policy.head.loss(source, batch.batch)
        alignment_loss = self.alignment(policy, Features(source, target), batch)
        metrics = {**acted.metrics, "alignment": alignment_loss.detach()}
        return Loss(acted.per_sample + self.weight * alignment_loss, metrics)

    def alignment(
        self, policy: HeadPolicy, features: "Features", batch: Domains
    ) -> Tensor:
        """Alignment loss: distance between the features of both domains; ()."""
        raise NotImplementedError


class Features(NamedTuple):
    """Inputs of a policy's action head in both domains."""

    source: Tensor
    """Features of the demonstrations; (sample, width)."""
    target: Tensor
    """Features of the target domain; (sample, width)."""


def target_in(folder: str) -> Data:
    """The successful episodes of a target domain.

    Raises:
        InputError: If no data set is named, or the folder has none.
    """
    if not folder:
        raise InputError(
            "There is no target domain to align with; give its data set: --meta.target"
            " DIR, such as one collected under shifted/randomised/SUITE."
        )
    return data_in(folder).succeeded()


def _with_tasks(data: Data, tasks: tuple[str, ...]) -> Data:
    """The data of a target domain, whose tasks must be those of the training."""
    missing = [task for task in tasks if task not in data.tasks]
    if missing:
        raise InputError(
            f"The target domain {data.path} has no data of {', '.join(missing)}; it has"
            f" {', '.join(data.tasks)}."
        )
    chosen = data.select(tasks)
    assert chosen.tasks == tasks, "Both are in the order of the suite."
    return chosen


def _fitting() -> list[str]:
    found = {name: POLICIES.get(name) for name in POLICIES.built_in()}
    return [
        name
        for name, each in found.items()
        if issubclass(each, HeadPolicy) and each.loss is HeadPolicy.loss
    ]
