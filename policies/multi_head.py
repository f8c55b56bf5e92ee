"""A multi-layer perceptron that ends in an output head for each task.

The most separate that tasks can be which still share a trunk: the action of task k is
W_k h + b_k of the shared features h. Which head acts follows from the task embedding: a
classifier predicts the task, in training as when acting, so that a policy acts by the
heads it was trained with, however well its task can be read from the embedding. The
classifier learns by cross-entropy beside the policy, and its gradient reaches nothing else.
A task that training never saw gets the head of the task whose embedding looks like its.

Source: Yu et al. 2019, "Meta-World" (arXiv:1910.10897), multi-task multi-head SAC.
Departures:

1. The head is chosen by the task embedding, not by the number of the task, which is
   unknown where the policy is conditioned on words alone.
2. The trunk reads the task embedding as well, as in ``mlp``: a goal or a demonstration says more
   than which task it is.
3. The heads stand side by side in one ``ActionHead`` on features that are zero but for
   those of the head that acts. Its bias is common to all.
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
from robomtl.layers.alike import begin_alike
from robomtl.policies.mlp import MLPConfig, hidden_layers
from robomtl.policy import Batch, Loss, Spec, task_layer


@dataclass(frozen=True, kw_only=True)
class MultiHeadConfig(MLPConfig):
    """Sizes and loss of the ``multi_head`` policy."""


class TaskEncoder(nn.Module):
    """Encodes the task embedding, and predicts the task.

    Args:
        spec: Length of the task embedding, and number of tasks.
        width: Length to which the embedding is encoded.
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
        """The encoded task; (batch, width)."""
        features: Tensor = self.projection(task_embedding)
        return features


class MultiHead(HeadPolicy):
    """A shared perceptron with a head for each task, chosen by its task embedding.

    Args:
        config: Sizes and loss.
        spec: Sizes of what it reads and writes; ``tasks`` is the number of heads.

    Raises:
        ValueError: If there are several heads and no conditioning to choose one by.
    """

    Config = MultiHeadConfig
    kept: ClassVar[tuple[str, ...]] = ("meta", "encoder.classifier")

    def __init__(self, config: MultiHeadConfig, spec: Spec) -> None:
        super().__init__(config, spec)
        self.check(spec)
        self.encoder = TaskEncoder(spec, config.task_width)
        self.trunk = hidden_layers(
            [spec.inputs + config.task_width] + [config.width] * config.layers
        )
        begin_alike(self.trunk[0], spec)
        heads = spec.tasks * (config.width + 1)  # Departure 3.
        self.head = action_head(heads, config, spec)
        bound = config.width**-0.5  # A head reads no more than its own features.
        nn.init.uniform_(self.head.linear.weight, -bound, bound)

    @classmethod
    def check(cls, spec: Spec) -> None:
        """Refuses several heads without conditioning to choose one by; see ``Policy``."""
        if spec.tasks > 1 and not spec.embedding:
            raise InputError(
                f"multi_head has a head for each of {spec.tasks} tasks and no conditioning"
                " to choose one by. Condition it on language, one_hot or goal, or train"
                " film, mlp, mixture_of_experts or soft_modularization, which have one"
                " head."
            )

    def choices(self, task_embedding: Tensor) -> Tensor:
        """The task whose head acts; (batch,)."""
        logits: Tensor = self.encoder.classifier(task_embedding)
        return logits.argmax(-1)

    def forward(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Features from which the head predicts; (batch, task · (width + 1)).

        For each task those of the trunk and a constant 1, if its head acts, else zeros.
        """
        features = self._features(observation, task_embedding)
        chosen = self._chosen(task_embedding)
        spread = chosen[:, :, None] * features[:, None]
        return rearrange(spread, "batch task feature -> batch (task feature)")

    def loss(self, batch: Batch) -> Loss:
        """The loss of the heads that act; see ``Policy``.

        Training also has the gradient of the classifier's cross-entropy, not its value:
        what is logged and weighed is how well the policy acts.
        """
        made = self.head.score(self._predicted(batch), batch)
        if not self.training:
            return made
        logits = self.encoder.classifier(batch.task_embedding).float()
        # Methods of adaptation number tasks anew: they leave the classifier as it is.
        task = batch.task.clamp(max=self.spec.tasks - 1)
        surprise = functional.cross_entropy(logits, task, reduction="none")
        wrong = (logits.argmax(-1) != task).float().mean()
        return Loss(
            made.per_sample + (surprise - surprise.detach()),
            {**made.metrics, "wrong_head": wrong},
        )

    def _chosen(self, task_embedding: Tensor) -> Tensor:
        """Whether it is the task whose head acts; (batch, task)."""
        tasks = torch.arange(self.spec.tasks, device=task_embedding.device)
        return self.choices(task_embedding)[:, None] == tasks

    def _predicted(self, batch: Batch) -> Tensor:
        """What the head's linear layer makes of ``forward``; (batch, output).

        Every head predicts, and one is kept. By features that are zero almost everywhere
        a step of 50 tasks takes more than twice as long.
        """
        features = self._features(batch.observation, batch.task_embedding)
        linear = self.head.linear
        weight = rearrange(
            linear.weight,
            "output (task feature) -> (task output) feature",
            task=self.spec.tasks,
        )
        every = rearrange(
            functional.linear(features, weight),
            "batch (task output) -> batch task output",
            task=self.spec.tasks,
        )
        chosen = self._chosen(batch.task_embedding)
        return (every * chosen[:, :, None]).sum(1) + linear.bias

    def _features(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor
    ) -> Tensor:
        """Of the trunk, with a constant 1 for the bias of a head; (batch, width + 1)."""
        state = self.observed(observation, task_embedding)
        joined = torch.cat([state, self.encoder(task_embedding)], dim=-1)
        features: Tensor = self.trunk(joined)
        return functional.pad(features, (0, 1), value=1.0)
