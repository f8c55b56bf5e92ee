"""Hindsight goal images: images of a later step of the same episode.

Source: Andrychowicz et al. 2017 (arXiv:1707.01495), as Octo uses it for cloning (Octo Model
Team 2024, arXiv:2405.12213, and ``octo/data/utils/goal_relabeling.py`` of its code): the goal
of a step is drawn uniformly from the steps after it, and a sample with both a goal image and
an instruction has one of them withheld.
"""

import torch
from torch import Generator, Tensor

from robomtl.conditioning import Conditioning
from robomtl.spec import GOAL
from robomtl.training.frames import Frames
from robomtl.training.transforms import steps_ahead


def drawn_goals(
    samples: int, conditioning: Conditioning, fraction: float, generator: Generator
) -> Tensor | None:
    """Draws the times of the samples' goal images; see ``Transform.goal_image``.

    Args:
        samples: Number of samples.
        conditioning: Conditioning of the policy.
        fraction: Fraction of the samples with a goal image, if the policy is conditioned
            on language as well; otherwise all have one.
        generator: Generator of the draws.

    Returns:
        Shape (sample,); None for a policy that is not conditioned on goal images.
    """
    if "goal_image" not in conditioning.kinds:
        return None
    draws = torch.rand(2, samples, generator=generator, device=generator.device)
    if "language" not in conditioning.kinds:
        return draws[0]
    return torch.where(draws[1] < fraction, draws[0], -1.0)


def without_instructions(
    fixed: Tensor, goal_image: Tensor, conditioning: Conditioning
) -> Tensor:
    """Task embeddings with the instruction set to zero in samples with a goal image.

    Args:
        fixed: Fixed parts of task embeddings; (sample, fixed).
        goal_image: Times of the goal images; see ``Transform.goal_image``.
        conditioning: Conditioning of the policy.
    """
    if "language" not in conditioning.kinds:
        return fixed
    fixed, columns = fixed.clone(), conditioning.slice_of("language")
    fixed[:, columns] *= (goal_image.to(fixed.device) < 0)[:, None]
    return fixed


def goal_images(
    source: Frames, frame: Tensor, steps_left: Tensor, goal_image: Tensor | None
) -> dict[str, Tensor]:
    """The goal images of samples, by the names of the policy's features.

    Args:
        source: Frames to read.
        frame: Row of each sample's first step; (sample,).
        steps_left: Steps left in the sample's episode, its first step included; (sample,).
        goal_image: Times of the goal images, see ``Transform.goal_image``; None for the
            last step of each episode.

    Returns:
        Images, zero in samples without a goal image; (sample, height, width, 3).
    """
    steps = steps_left - 1
    if goal_image is not None:
        steps = steps_ahead(goal_image.to(steps_left.device).clamp(min=0), steps_left)
    later, _ = source.table.read((frame + steps)[:, None])
    images = {n: each for n, each in later.items() if each.dtype == torch.uint8}
    if goal_image is not None:
        shown = (goal_image >= 0).to(source.device)[:, None, None, None]
        images = {name: each * shown for name, each in images.items()}
    return {GOAL + name: each for name, each in images.items()}
