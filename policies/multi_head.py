"""A multi-layer perceptron with a shared trunk and an output head for each task.

The action of task k is W_k h + b_k of the shared features h. A classifier predicts the task
from the task embedding and thereby selects the head, both in training and when acting, so
that the policy acts by the heads it was trained with even if the classifier errs. The
classifier is trained by cross-entropy, whose gradient does not reach other weights. A task
outside the training set gets the head of the training task with the most similar embedding.

Source: Yu et al. 2019, "Meta-World" (arXiv:1910.10897), multi-task multi-head SAC.
Departures:

1. The head is selected by the task embedding, not by the task index, which is unknown if
   the policy is conditioned on language alone.
2. The trunk also reads the task embedding, as in ``mlp``: a goal or a demonstration vector
   has more information than the task index.
3. The heads are columns of one ``ActionHead``, whose input features are zero except those
   of the selected head. The bias of its linear layer is shared by all heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.action_head import HeadPolicy, action_head
from robomtl.errors import InputError
from robomtl.layers.initial_projections import init_equal_columns
from robomtl.policies.mlp import MLPConfig, hidden_layers
from robomtl.policy import Batch, Loss, Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class MultiHeadConfig(MLPConfig):
    """Sizes and loss of the ``multi_head`` policy."""


class TaskEncoder(nn.Module):
    """Encodes the task embedding, and classifies the task.

    Args:
        spec: Length of the task embedding, and number of tasks.
        width: Length of the encoded task.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.projection = task_layer(spec.embedding, width)
        self.classifier = nn.Sequential(
            task_layer(spec.embedding, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, spec.tasks),
        )

    def forward(self, task_embedding: Tensor) -> Tensor:
        """Encoded task; (batch, width)."""
        features: Tensor = self.projection(task_embedding)
        return features


class MultiHead(HeadPolicy):
    """A shared perceptron with a head for each task, selected by the task embedding.

    Args:
        config: Sizes and loss.
        spec: Sizes of inputs and outputs; ``tasks`` is the number of heads.

    Raises:
        ValueError: If there are several heads but no conditioning to select one.
    """

    Config = MultiHeadConfig
    fixed_parts: ClassVar[tuple[str, ...]] = ("meta", "encoder.classifier")

    def __init__(self, config: MultiHeadConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.check(spec)
        self.encoder = TaskEncoder(spec, config.task_width)
        self.trunk = hidden_layers(
            [spec.inputs + config.task_width] + [config.width] * config.layers
        )
        init_equal_columns(self.trunk[0], spec)
        heads = spec.tasks * (config.width + 1)  # Departure 3.
        self.head = action_head(heads, config, spec)
        bound = config.width**-0.5  # A head reads only its own ``width`` features.
        nn.init.uniform_(self.head.linear.weight, -bound, bound)

    @classmethod
    def check(cls, spec: Spec) -> None:
        """Refuses several heads without conditioning to select one; see ``Policy``."""
        if spec.tasks > 1 and not spec.embedding:
            raise InputError(
                f"multi_head has a head for each of {spec.tasks} tasks but no conditioning"
                " to select one. Condition it on language, one_hot or goal, or train film,"
                " mlp, mixture_of_experts or soft_modularization, which have one head."
            )

    def choices(self, task_embedding: Tensor) -> Tensor:
        """Index of the task whose head is selected; (batch,)."""
        logits: Tensor = self.encoder.classifier(task_embedding)
        return logits.argmax(-1)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, task · (width + 1)).

        The features of the trunk and a constant 1 for the selected head, zeros for others.
        """
        features = self._features(observation, task_embedding)
        chosen = self._chosen(task_embedding)
        spread = chosen[:, :, None] * features[:, None]
        return rearrange(spread, "batch task feature -> batch (task feature)")

    def loss(self, batch: Batch) -> Loss:
        """Loss of the selected heads; see ``Policy``.

        In training the classifier's cross-entropy is added with value 0 but with its
        gradient, so that logs and task weightings see the loss of the actions only.
        """
        action_loss = self.head.score(self._predicted(batch), batch)
        if not self.training:
            return action_loss
        logits = self.encoder.classifier(batch.task_embedding).float()
        # Adaptation methods renumber tasks, but do not train the classifier.
        task = batch.task.clamp(max=self.spec.tasks - 1)
        entropy = functional.cross_entropy(logits, task, reduction="none")
        wrong = (logits.argmax(-1) != task).float().mean()
        return Loss(
            action_loss.per_sample + (entropy - entropy.detach()),
            {**action_loss.metrics, "wrong_head": wrong},
        )

    def _chosen(self, task_embedding: Tensor) -> Tensor:
        """True for the task whose head is selected; (batch, task)."""
        tasks = torch.arange(self.spec.tasks, device=task_embedding.device)
        return self.choices(task_embedding)[:, None] == tasks

    def _predicted(self, batch: Batch) -> Tensor:
        """Output of the head's linear layer for the result of ``forward``; (batch, output).

        All heads are computed and one is selected. With the sparse features of ``forward``
        a training step with 50 tasks takes more than twice as long.
        """
        features = self._features(batch.observation, batch.task_embedding)
        linear = self.head.linear
        weight = rearrange(
            linear.weight,
            "output (task feature) -> (task output) feature",
            task=self.spec.tasks,
        )
        per_task = rearrange(
            functional.linear(features, weight),
            "batch (task output) -> batch task output",
            task=self.spec.tasks,
        )
        chosen = self._chosen(batch.task_embedding)
        return (per_task * chosen[:, :, None]).sum(1) + linear.bias

    def _features(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features of the trunk, then a constant 1 for the biases; (batch, width + 1)."""
        state = self.observed(observation, task_embedding)
        joined = torch.cat([state, self.encoder(task_embedding)], dim=-1)
        features: Tensor = self.trunk(joined)
        return functional.pad(features, (0, 1), value=1.0)
