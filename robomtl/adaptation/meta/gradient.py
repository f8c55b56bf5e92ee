"""Gradient steps on a support, shared by all methods that train weights."""

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
    """Settings of gradient steps on a support; base class of several methods."""

    steps: int = 300
    """Number of gradient steps, unless the budget gives one."""
    learning_rate: float = 5e-4
    """Initial learning rate of AdamW; it falls along half a cosine."""
    weight_decay: float = 1e-2
    """Weight decay of AdamW."""
    ema_decay: float = 0.99
    """EMA decay of the weights; the adapted policy has the averaged weights."""
    instruction_augmentation: InstructionAugmentation = field(
        default_factory=InstructionAugmentation
    )
    """Augmentation of the instruction."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """Augmentation of the demonstrations into those of further tasks."""

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            ValueError: If one is out of range.
        """
        self.descent(Budget())

    def descent(self, budget: Budget) -> TrainConfig:
        """Training configuration for these settings within a budget."""
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
    """All frames of some demonstrations as training material for a policy.

    Args:
        policy: Policy whose chunk length, history and device the samples have.
        demonstrations: Source of the frames.
        conditioning: Conditioning of the policy.
        instruction_augmentation: Augmentation of instructions; the defaults if None.
        augmentation: Augmentation of samples; none by default.

    Raises:
        ValueError: If the suite of the demonstrations does not support the augmentation.
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
    """Sampler of single frames, uniform over the frames of each task."""
    return Sampler(
        material.frames,
        material.wordings,
        material.conditioning,
        chunk=material.chunk,
        config=SamplerConfig(seed=seed_of(generator)),
        augmenter=material.augmenter,
    )


def seed_of(generator: Generator) -> int:
    """A 31-bit seed drawn from a generator."""
    return int(torch.randint(2**31 - 1, (), generator=generator))


def copied(policy: Policy, trains: Callable[[str], bool]) -> Policy:
    """A copy of a policy in which only parameters whose names satisfy ``trains`` train."""
    copy_ = copy.deepcopy(policy)
    freeze(copy_, trains)
    return copy_


def freeze(policy: Policy, trains: Callable[[str], bool]) -> None:
    """Freezes, in place, all parameters whose names do not satisfy ``trains``."""
    for name, parameter in policy.named_parameters():
        parameter.requires_grad_(trains(name))


def trained_parameters(module: nn.Module) -> int:
    """Number of trainable parameters of a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def descend(policy: Policy, draws: Draws, config: TrainConfig) -> Policy:
    """The policy with averaged weights after ``config.steps`` gradient steps.

    Args:
        policy: Policy, trained in place where its parameters require a gradient.
        draws: Sampler of the batches.
        config: Steps, batch size, learning-rate schedule, gradient clipping and EMA decay.

    Raises:
        FloatingPointError: If a loss or a gradient is not finite.
    """
    learner = learner_for(policy, config)
    take_steps(learner, draws, config)
    policy.load_state_dict(learner.averaged())
    return policy.eval().requires_grad_(False)
