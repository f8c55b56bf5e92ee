"""Gradient steps on a support set: what methods that change weights have in common."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, nn

from robomtl.adaptation.method import Budget
from robomtl.conditioning import (
    Conditioning,
    InstructionAugmentation,
    InstructionEmbeddings,
)
from robomtl.demonstrations import Demonstrations
from robomtl.policy import Policy
from robomtl.training.augmentation import Augmentation
from robomtl.training.augmenter_for import augmenter_for
from robomtl.training.config import TrainConfig
from robomtl.training.learner import learner_for
from robomtl.training.loop import take_steps
from robomtl.training.material import instructions
from robomtl.training.objective import Draws, Material
from robomtl.training.recorded import frames
from robomtl.training.samples import Sampler, SamplerConfig


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Settings of gradient steps on a support, which several methods extend."""

    steps: int = 300
    """Gradient steps, unless the budget has another number."""
    learning_rate: float = 5e-4
    """Largest learning rate of AdamW; it falls along half a cosine."""
    weight_decay: float = 1e-2
    """Weight decay of AdamW."""
    ema_decay: float = 0.99
    """Decay of the averaged weights that act."""
    instruction_augmentation: InstructionAugmentation = field(
        default_factory=InstructionAugmentation
    )
    """How wordings are varied."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How more tasks are made of this one."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If one is out of range.
        """
        self.descent(Budget())

    def descent(self, budget: Budget) -> TrainConfig:
        """How to descend within a budget."""
        return TrainConfig(
            steps=self.steps if budget.steps is None else budget.steps,
            batch_size=budget.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            schedule="cosine",
            ema_decay=self.ema_decay,
            device=budget.machine.device,
            precision=budget.machine.precision,
        )


def material_of(
    policy: Policy,
    demonstrations: Demonstrations,
    conditioning: Conditioning,
    *,
    instruction_augmentation: InstructionAugmentation | None = None,
    augmentation: Augmentation | None = None,
) -> Material:
    """All frames of some demonstrations, as a policy takes them, and its conditioning.

    Args:
        policy: Says how many actions and observations a sample has, and on which device
            it is.
        demonstrations: Have the frames.
        conditioning: That of the policy.
        instruction_augmentation: How training varies instructions; the defaults if None.
        augmentation: How samples are transformed; not at all by default.

    Raises:
        ValueError: If their suite does not allow the augmentation.
    """
    conditioned = replace(conditioning, tasks=demonstrations.tasks)
    device, varied = (
        policy.device,
        instruction_augmentation or InstructionAugmentation(),
    )
    augmenter = augmenter_for(augmentation or Augmentation(), demonstrations, device)
    known = frames(demonstrations, range(len(demonstrations)), device)
    known = replace(known, history=policy.spec.history)
    return Material(
        frames=known if augmenter is None else augmenter.prepared(known),
        wordings=InstructionEmbeddings(
            conditioned, instructions(demonstrations), varied
        ).to(device),
        conditioning=conditioned,
        chunk=policy.chunk,
        augmenter=augmenter,
    )


def sampler_of(material: Material, generator: Generator) -> Sampler:
    """Draws single frames, each as likely as any other of its task."""
    return Sampler(
        material.frames,
        material.wordings,
        material.conditioning,
        chunk=material.chunk,
        config=SamplerConfig(seed=seed_of(generator)),
        augmenter=material.augmenter,
    )


def seed_of(generator: Generator) -> int:
    """A seed drawn from a generator; 31 bits."""
    return int(torch.randint(2**31 - 1, (), generator=generator))


def copied(policy: Policy, trains: Callable[[str], bool]) -> Policy:
    """A copy whose parameters are trained where their names say so; others are frozen."""
    copy_ = copy.deepcopy(policy)
    freeze(copy_, trains)
    return copy_


def freeze(policy: Policy, trains: Callable[[str], bool]) -> None:
    """Freezes all parameters but those whose names say that they are trained."""
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(trains(name))


def trained_parameters(module: nn.Module) -> int:
    """Number of weights that are trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def descend(policy: Policy, draws: Draws, config: TrainConfig) -> Policy:
    """The policy after ``config.steps`` gradient steps, its weights averaged.

    Args:
        policy: Trained in place where its parameters require a gradient.
        draws: Batches of the policy's own loss.
        config: Steps, batch, learning rate and its schedule, clipping and averaging.

    Raises:
        FloatingPointError: If a loss or a gradient is not finite.
    """
    learner = learner_for(policy, config)
    take_steps(learner, draws, config)
    policy.load_state_dict(learner.averaged())
    return policy.eval().requires_grad_(False)
