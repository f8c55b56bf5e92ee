"""Online elastic weight consolidation: a penalty on changes of important weights.

Sources: Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting in neural networks"
(arXiv:1612.00796), equation 3; Schwarz et al. 2018, "Progress & Compress"
(arXiv:1805.06370), section 3, for the online form: F ← γ F + F_k after task k, around the
latest weights. The objective is L + λ Σ F (θ - θ*)². Departures:

1. The Fisher information is the empirical one, the mean square of per-sample gradients.
   Squaring the gradient of a batch, as LIBERO's code does, underestimates it by a factor of
   the batch size where samples are independent.
2. The loss of the policy replaces the negative log likelihood, so that the scale of λ
   depends on the loss.
3. λ includes the factor ½ of both papers, and the factor γ by which Schwarz et al. multiply
   F in the penalty as well.
4. F_k is not normalised, where Schwarz et al. give all tasks the same scale.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.func import grad, vmap

from robomtl.adaptation.meta.gradient import material_of, sampler_of
from robomtl.adaptation.meta.inner_loop import losses_of, weights_of
from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.kept_policy import kept_policy
from robomtl.continual.lifelong_method import OnePolicy, StreamSetting
from robomtl.continual.stage import Stage
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.execution.locks import GENERATOR
from robomtl.files.request import plain
from robomtl.policy import POLICIES, Batch, Loss, Policy
from robomtl.policy_contract import loss_of
from robomtl.ranges import check_counts, check_parts, check_positive, check_types
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Cloning, Draws, Material

_ROWS = 32  # Samples whose gradients are in memory at once.


class Importance(nn.Module):
    """Importance of each weight of a policy (Fisher information), and its anchor value.

    Args:
        number: Number of weights.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.fisher: Tensor
        self.anchor: Tensor
        self.register_buffer("fisher", torch.zeros(number))
        self.register_buffer("anchor", torch.zeros(number))

    def penalty(self, policy: Policy) -> Tensor:
        """Σ F (θ - θ*)², a scalar."""
        return (self.fisher * (joined(policy) - self.anchor).square()).sum()


def joined(policy: Policy) -> Tensor:
    """All weights of a policy as one vector, without meta-parameters; (weight,)."""
    return torch.cat([each.flatten() for each in weights_of(policy).values()])


@dataclass(frozen=True, kw_only=True)
class EwcTraining:
    """Behaviour cloning with a penalty on changes of weights important to earlier tasks."""

    strength: float = 1e4
    """Weight λ of the penalty."""

    def __post_init__(self) -> None:
        """Checks the strength.

        Raises:
            InputError: If it is not positive.
        """
        check_types(self)
        check_positive(self, "strength")

    @property
    def demonstration(self) -> int:
        """Length 0: no vector is inferred from demonstrations."""
        return 0

    def meta(self, policy: Policy) -> Importance:
        """Importance of the weights; 0 before the first task."""
        return Importance(len(joined(policy)))

    def draws(self, material: Material, config: TrainConfig) -> Draws:
        """Sampler of frames, the same as for behaviour cloning."""
        return Cloning().draws(material, config)

    def validation(self, material: Material) -> Iterator[Batch]:
        """Batches of held-out demonstrations, in order."""
        return Cloning().validation(material)

    def loss(self, policy: Policy, batch: Batch) -> Loss:
        """The policy's own loss of each sample plus the penalty."""
        own = loss_of(policy, batch)
        assert isinstance(policy.meta, Importance)
        penalty = self.strength * policy.meta.penalty(policy)
        metrics = {**own.metrics, "penalty": penalty.detach()}
        return Loss(own.per_sample + penalty, metrics)


@dataclass(frozen=True, kw_only=True)
class Ewc(OnePolicy):
    """Penalises changes of weights in proportion to their Fisher information."""

    strength: float = 1e4
    """Weight λ of the penalty."""
    decay: float = 0.9
    """Factor γ of the earlier importance when a task is added."""
    samples: int = 512
    """Samples of each task from which the Fisher information is estimated."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is out of range.
        """
        check_types(self)
        check_positive(self, "strength")
        check_parts(self, "decay")
        check_counts(self, "samples")

    def check(self, setting: StreamSetting) -> None:
        """Checks that the policy supports per-sample gradients.

        Raises:
            InputError: If it does not.
        """
        if not POLICIES.get(setting.policy).vectorised:
            raise InputError(
                f"ewc needs per-sample gradients, which '{setting.policy}' does not support;"
                " use another policy, such as film or mlp."
            )

    def learn(self, stage: Stage, before: TrainedPolicy | None) -> TrainedPolicy:
        """Trains the policy on the new task and updates the importance of its weights.

        See ``LifelongMethod``.
        """
        data = stage.first({stage.task: None})
        trained = stage.train(
            data,
            before,
            objective="ewc",
            objective_config={"strength": self.strength},
        )
        settings = {"start": trained.fingerprint, "method": plain(self)}
        return kept_policy(
            stage.run / "consolidated",
            settings,
            lambda: self._consolidated(trained, data, stage),
        )

    def _consolidated(
        self, trained: TrainedPolicy, data: Demonstrations, stage: Stage
    ) -> TrainedPolicy:
        """The policy with the importance of its weights for the new task added."""
        policy = trained.policy
        assert isinstance(policy.meta, Importance)
        material = material_of(policy, data, trained.card.conditioning)
        seed = stage.training.seed
        draws = sampler_of(material, Generator().manual_seed(seed))
        batches = (
            draws.batch(start // _ROWS, min(_ROWS, self.samples - start))
            for start in range(0, self.samples, _ROWS)
        )
        # Action heads such as flow and diffusion draw noise.
        with GENERATOR, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            information = fisher(policy, batches)
        check_finite(information, stage.task)
        policy.meta.fisher.mul_(self.decay).add_(information)
        policy.meta.anchor.copy_(joined(policy))
        return trained


def fisher(policy: Policy, batches: Iterable[Batch]) -> Tensor:
    """Empirical Fisher information: the mean square of per-sample gradients; (weight,).

    Args:
        policy: Policy whose loss is differentiated.
        batches: Batches of at most a few dozen samples.
    """
    weights, losses = weights_of(policy), losses_of(policy)

    def single(parameters: dict[str, Tensor], sample: Batch) -> Tensor:
        return losses(parameters, _alone(sample)).squeeze(0)

    total, number = torch.zeros(sum(each.numel() for each in weights.values())), 0
    for batch in batches:
        per_sample = vmap(grad(single), in_dims=(None, 0), randomness="different")
        gradients = per_sample(weights, batch)
        squares = [gradients[name].square().sum(0).flatten() for name in weights]
        total += torch.cat(squares)
        number += len(batch.action)
    return total / number


def _alone(sample: Batch) -> Batch:
    """A batch that consists of one sample."""
    observation = {name: it.unsqueeze(0) for name, it in sample.observation.items()}
    others = (each.unsqueeze(0) for each in sample[1:])
    return Batch(observation, *others)


def check_finite(found: Tensor, task: str) -> None:
    """Checks that a Fisher information is finite.

    Raises:
        FloatingPointError: If a value is not finite.
    """
    wrong = int((~found.isfinite()).sum())
    if wrong:
        raise FloatingPointError(
            f"The Fisher information of {task} is not finite for {wrong:,} of"
            f" {len(found):,} weights; train with a lower learning_rate or in float32, or"
            " leave ewc out."
        )
