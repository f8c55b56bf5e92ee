"""Language–trajectory alignment: an episode finds its instruction, and that the episode.

Source: the symmetric cross-entropy of Radford et al. 2021, "CLIP" (arXiv:2103.00020, figure
3), between a trajectory τ and an instruction l,

    s(τ, l) = cos(h(τ), g(l)) / t.

Departures:

1. Clips of a batch may be of one task: each of them is a positive, with the same weight.
2. h reads the features of a few frames: the first, the last and their mean. g reads the
   policy's own encoder of the task embedding, which is trained by it.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomtl.errors import InputError
from robomtl.policy import Loss, Policy
from robomtl.pretraining.clips import Clips, ClipSampler, Times, evenly
from robomtl.pretraining.objectives import (
    Pretraining,
    clip_features,
    perceptron,
    width_of,
)
from robomtl.ranges import check_counts, check_positive
from robomtl.training.config import TrainConfig
from robomtl.training.objective import Material

_WIDTH = 256  # Of the hidden layer of h.


class Aligner(nn.Module):
    """The two heads h and g; see the module.

    Args:
        policy: Has features, and an encoder of the task embedding.
        size: Length of what both give.
    """

    def __init__(self, policy: Policy, size: int) -> None:
        super().__init__()
        self.trajectory = perceptron(3 * width_of(policy), _WIDTH, size)
        self.instruction = nn.Linear(_encoded_width(policy), size)

    def trajectories(self, features: Tensor) -> Tensor:
        """Clips by h, of length 1; (clip, time, width) -> (clip, size)."""
        ends = features[:, 0], features[:, -1], features.mean(1)
        return functional.normalize(
            self.trajectory(torch.cat(ends, -1)).float(), dim=-1
        )

    def instructions(self, policy: Policy, task_embedding: Tensor) -> Tensor:
        """Instructions by g, of length 1; (text, embedding) -> (text, size)."""
        encoded = policy.get_submodule("encoder")(task_embedding)
        return functional.normalize(self.instruction(encoded).float(), dim=-1)


def symmetric_contrast(scores: Tensor, task: Tensor) -> Tensor:
    """Cross-entropy of rows and columns, averaged, with all pairs of a task as positives.

    Args:
        scores: s of each trajectory and each instruction; (clip, clip).
        task: Index of the task of each; (clip,).

    Returns:
        (clip,).
    """
    positive = (task[:, None] == task).float()
    wanted = positive / positive.sum(1, keepdim=True)  # Symmetric, so of columns too.
    rows = functional.cross_entropy(scores, wanted, reduction="none")
    columns = functional.cross_entropy(scores.mT, wanted, reduction="none")
    return (rows + columns) / 2


@dataclass(frozen=True, kw_only=True)
class LanguageAlignment(Pretraining):
    """Aligns the features of episodes with the instructions of their tasks."""

    size: int = 64
    """Length of what trajectories and instructions are compared by."""
    steps: int = 8
    """Frames to which an episode is subsampled."""
    temperature: float = 0.1
    """t of the cosine."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        check_counts(self, "size", "steps")
        check_positive(self, "temperature")
        if self.steps < 2:
            raise InputError(f"steps is {self.steps}; the first and the last take 2.")

    @property
    def count(self) -> int:
        """See ``Pretraining``."""
        return self.steps

    @property
    def least(self) -> int:
        """See ``Pretraining``."""
        return 2

    @property
    def times(self) -> Times:
        """See ``Pretraining``."""
        return evenly(self.steps)

    def draws(self, material: Material, config: TrainConfig) -> ClipSampler:
        """Clips of episodes; see ``Pretraining``.

        Raises:
            InputError: If the policy is not conditioned on language, or there is one task.
        """
        conditioning = material.conditioning
        if "language" not in conditioning.kinds:
            kinds = ", ".join(conditioning.kinds) or "none"
            raise InputError(
                "language_alignment aligns episodes with instructions, and the policy's"
                f" conditioning is {kinds}; give --conditioning language."
            )
        if len(conditioning.tasks) < 2:
            raise InputError(
                "language_alignment tells the instructions of tasks apart, and the data"
                f" hold one, {', '.join(conditioning.tasks)}; give data of 2 tasks or more, or the"
                " objective time_contrastive."
            )
        return super().draws(material, config)

    def meta(self, policy: Policy) -> Aligner:
        """The heads of trajectories and instructions.

        Raises:
            InputError: If the policy reads instructions otherwise than by an encoder of
                their embeddings.
        """
        return Aligner(policy, self.size)

    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The contrast of each clip, in float32."""
        aligner = cast(Aligner, policy.meta)
        task_embedding = batch.batch.task_embedding[:: batch.times]
        trajectories = aligner.trajectories(clip_features(policy, batch))
        instructions = aligner.instructions(policy, task_embedding)
        with torch.autocast(task_embedding.device.type, enabled=False):
            scores = trajectories @ instructions.mT / self.temperature
        task = batch.task
        right = (task[scores.argmax(1)] == task).float().mean()
        return Loss(symmetric_contrast(scores, task), {"retrieved": right.detach()})


def _encoded_width(policy: Policy) -> int:
    """Length of the encoded task embedding."""
    encoder = getattr(policy, "encoder", None)
    if not isinstance(encoder, nn.Module) or policy.spec.text:
        raise InputError(
            f"language_alignment trains the encoder of a policy's instructions, which"
            f" {type(policy).__name__} has not; pre-train film, mlp or transformer."
        )
    layers = [each for each in encoder.modules() if isinstance(each, nn.Linear)]
    return layers[-1].out_features
