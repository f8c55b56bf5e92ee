"""Training on a target domain of which only observations are known.

Batches hold as many samples of the target domain as of the demonstrations, drawn of the
same tasks in the same way; their actions are never read.
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
from robomtl.policy_border import loss_of
from robomtl.ranges import check_not_negative
from robomtl.training.augmentation import Augmentation
from robomtl.training.config import TrainConfig
from robomtl.training.material import materials
from robomtl.training.objective import Cloning, Draws, Material

_STREAM = 104_729  # Apart from the seeds of the demonstrations' draws.


class Domains(NamedTuple):
    """Samples of demonstrations, and of a target domain."""

    batch: Batch
    """Samples of demonstrations."""
    target: Batch
    """Samples of the target domain, of which the actions are not to be read."""
    progress: Tensor
    """Fraction of the training that lies behind, from 0 to 1; ()."""

    @property
    def task(self) -> Tensor:
        """Index of the task of each sample of demonstrations."""
        return self.batch.task


@dataclass(frozen=True, kw_only=True)
class DomainDraws:
    """Draws samples of both domains; see ``Draws``."""

    source: Draws
    target: Draws
    steps: int
    """Gradient steps of the run."""

    def batch(self, step: int, size: int) -> Domains:
        """The batch of a step, with this many samples of each domain."""
        source, target = (d.batch(step, size) for d in (self.source, self.target))
        progress = source.action.new_tensor(step / self.steps)
        return Domains(source, target, progress)


@dataclass(frozen=True, kw_only=True)
class TargetDomain:
    """Settings of objectives that align features with those of a target domain."""

    target: str = ""
    """Data set of the target domain, with the same tasks; its actions are not read."""
    weight: float = 1.0
    """Weight of the alignment beside the loss of behaviour cloning."""

    def __post_init__(self) -> None:
        """Checks the weight.

        Raises:
            InputError: If it is negative.
        """
        check_not_negative(self, "weight")

    @property
    def demonstration(self) -> int:
        """Nothing is inferred."""
        return 0

    def check(self, name: str, policy: type[Policy]) -> None:
        """Refuses a policy without features, and a target domain without data.

        Raises:
            InputError: If there is either.
        """
        if not (issubclass(policy, HeadPolicy) and policy.loss is HeadPolicy.loss):
            raise InputError(
                f"'{name}' shows no features to align; these do: {', '.join(_fitting())}."
            )
        target_in(self.target)

    def meta(self, policy: Policy) -> None:
        """Nothing is learned beside the policy."""

    def draws(self, material: Material, config: TrainConfig) -> DomainDraws:
        """Frames of demonstrations, and of the target domain.

        Raises:
            InputError: If the target domain lacks a task, or observes something else.
        """
        tasks = material.conditioning.tasks
        data = _with_tasks(target_in(self.target), tasks)
        plain = replace(config, validation=0.0, augmentation=Augmentation())
        there, _ = materials(
            data,
            material.conditioning,
            plain,
            chunk=material.chunk,
            history=material.frames.history,
        )
        other = replace(plain, seed=config.seed + _STREAM)
        return DomainDraws(
            source=Cloning().draws(material, config),
            target=Cloning().draws(there, other),
            steps=config.steps,
        )

    def validation(self, material: Material) -> Iterator[Batch]:
        """Held-out demonstrations in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Domains | Batch) -> Loss:
        """The policy's own loss of each sample, and the alignment of the batch."""
        if isinstance(batch, Batch):
            return loss_of(policy, batch)
        assert isinstance(policy, HeadPolicy)
        source, target = (
            policy(each.observation, each.task_embedding).float()
            for each in (batch.batch, batch.target)
        )
        acted = policy.head.loss(source, batch.batch)
        apart = self.alignment(policy, Features(source, target), batch)
        metrics = {**acted.metrics, "alignment": apart.detach()}
        return Loss(acted.per_sample + self.weight * apart, metrics)

    def alignment(
        self, policy: HeadPolicy, features: "Features", batch: Domains
    ) -> Tensor:
        """How far apart the features of both domains are; ()."""
        raise NotImplementedError


class Features(NamedTuple):
    """What the head of a policy reads, in both domains; each (sample, width)."""

    source: Tensor
    target: Tensor


def target_in(folder: str) -> Data:
    """The data of a target domain.

    Raises:
        InputError: If none is named, or there is none.
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
    found = {name: POLICIES.get(name) for name in POLICIES.own()}
    return [
        name
        for name, each in found.items()
        if issubclass(each, HeadPolicy) and each.loss is HeadPolicy.loss
    ]
