"""Language–trajectory alignment: contrastive learning of episodes and instructions.

Source: the symmetric cross-entropy of Radford et al. 2021, "CLIP" (arXiv:2103.00020, figure
3), between a trajectory τ and an instruction l,

    s(τ, l) = cos(h(τ), g(l)) / t.

Departures:

1. Several clips of a batch may be of one task: all of them are positives, with the same
   weight.
2. h reads the policy's features of a few frames: the first, the last and the mean of all. g
   reads the output of the policy's encoder of the task embedding, which it trains.
3. The temperature t is a setting; CLIP learns it.
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

_WIDTH = 256  # Units of the hidden layer of h.


class Aligner(nn.Module):
    """The two heads h and g; see the module.

    Args:
        policy: Policy with features and an encoder of the task embedding.
        size: Length of the vectors that both heads output.

    Raises:
        InputError: If the policy has no such encoder.
    """

    def __init__(self, policy: Policy, size: int) -> None:
        super().__init__()
        self.trajectory = perceptron(3 * width_of(policy), _WIDTH, size)
        self.instruction = nn.Linear(_encoded_width(policy), size)

    def trajectories(self, features: Tensor) -> Tensor:
        """Outputs of h for clips, of norm 1; (clip, time, width) -> (clip, size)."""
        ends = features[:, 0], features[:, -1], features.mean(1)
        return functional.normalize(
            self.trajectory(torch.cat(ends, -1)).float(), dim=-1
        )

    def instructions(self, policy: Policy, task_embedding: Tensor) -> Tensor:
        """Outputs of g for instructions, of norm 1; (text, embedding) -> (text, size)."""
        encoded = policy.get_submodule("encoder")(task_embedding)
        return functional.normalize(self.instruction(encoded).float(), dim=-1)


def symmetric_contrast(scores: Tensor, task: Tensor) -> Tensor:
    """Mean cross-entropy of rows and columns, with all pairs of a task as positives.

    Args:
        scores: s of each trajectory and each instruction; (clip, clip).
        task: Index of the task of each clip; (clip,).

    Returns:
        Shape (clip,).
    """
    positive = (task[:, None] == task).float()
    target = positive / positive.sum(1, keepdim=True)  # Symmetric: for columns too.
    rows = functional.cross_entropy(scores, target, reduction="none")
    columns = functional.cross_entropy(scores.mT, target, reduction="none")
    return (rows + columns) / 2


@dataclass(frozen=True, kw_only=True)
class LanguageAlignment(Pretraining):
    """Aligns the features of episodes with the instructions of their tasks."""

    size: int = 64
    """Length of the vectors by which trajectories and instructions are compared."""
    steps: int = 8
    """Frames to which an episode is subsampled."""
    temperature: float = 0.1
    """Temperature t of the cosine."""

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            InputError: If one is out of range.
        """
        check_counts(self, "size", "steps")
        check_positive(self, "temperature")
        if self.steps < 2:
            raise InputError(
                f"steps is {self.steps}; give 2 or more, for the first and the last step."
            )

    @property
    def count(self) -> int:
        """See ``Pretraining``."""
        return self.steps

    @property
    def min_length(self) -> int:
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
                "language_alignment contrasts the instructions of tasks, and the data have"
                f" only one, {', '.join(conditioning.tasks)}; give data of 2 tasks or"
                " more, or the objective time_contrastive."
            )
        return super().draws(material, config)

    def meta(self, policy: Policy) -> Aligner:
        """The heads of trajectories and instructions.

        Raises:
            InputError: If the policy has no encoder of instruction embeddings.
        """
        return Aligner(policy, self.size)

    def loss(self, policy: Policy, batch: Clips) -> Loss:
        """The symmetric contrastive loss of each clip, in float32."""
        aligner = cast(Aligner, policy.meta)
        task_embedding = batch.batch.task_embedding[:: batch.times]
        trajectories = aligner.trajectories(clip_features(policy, batch))
        instructions = aligner.instructions(policy, task_embedding)
        with torch.autocast(task_embedding.device.type, enabled=False):
            scores = trajectories @ instructions.mT / self.temperature
        task = batch.task
        correct = (task[scores.argmax(1)] == task).float().mean()
        return Loss(symmetric_contrast(scores, task), {"retrieved": correct.detach()})


def _encoded_width(policy: Policy) -> int:
    """Length of the encoded task embedding.

    Raises:
        InputError: If the policy has no encoder of task embeddings.
    """
    encoder = getattr(policy, "encoder", None)
    if not isinstance(encoder, nn.Module) or policy.spec.text:
        raise InputError(
            f"language_alignment trains the encoder of a policy's instructions, which"
            f" {type(policy).__name__} lacks; pre-train film, mlp or transformer."
        )
    layers = [each for each in encoder.modules() if isinstance(each, nn.Linear)]
    return layers[-1].out_features
