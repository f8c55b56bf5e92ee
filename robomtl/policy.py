"""The contract every policy keeps, and what travels in and out of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from robomtl.border import kind_of
from robomtl.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The sizes a policy is built for."""

    state: int
    """Length of ``observation["state"]``."""
    action: int
    """Length of an action."""
    embedding: int
    """Length of the task embedding; 0 when the policy is not told its task."""
    tasks: int = 1
    """Number of tasks it is trained on, for policies that have a part for each."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is impossible.
        """
        if min(self.state, self.action, self.tasks) < 1 or self.embedding < 0:
            raise InputError(
                f"{self}: state, action and tasks take 1 or more, embedding 0 or more."
            )


class Batch(NamedTuple):
    """Samples of demonstrations, each a step and the actions that follow it."""

    observation: dict[str, Tensor]
    """``state`` of shape (batch, state)."""
    action: Tensor
    """Actions from this step on, within [-1, 1]; (batch, chunk, action)."""
    mask: Tensor
    """Which of these actions lie within the episode, 1 or 0; (batch, chunk)."""
    task_embedding: Tensor
    """What the policy is told; (batch, embedding)."""
    task: Tensor
    """Index of the task, for sampling and accounting only; (batch,)."""


class Context(NamedTuple):
    """Demonstrations of a batch of tasks, thinned to the same number of steps each."""

    state: Tensor
    """(task, shot, time, state)."""
    action: Tensor
    """The action taken there; (task, shot, time, action)."""
    progress: Tensor
    """Part of its episode that lies before a step, from 0 to 1; (task, shot, time)."""
    mask: Tensor
    """Which shots are there, 1 or 0; a task may have fewer than others. (task, shot)"""


class Loss(NamedTuple):
    """A loss before any reduction, so that tasks can be weighed outside the policy."""

    per_sample: Tensor
    """(batch,)."""
    metrics: dict[str, Tensor]
    """Scalars worth logging, detached."""


class Memory(NamedTuple):
    """What a policy keeps of a batch of running trials; empty for one that forgets."""

    tensors: dict[str, Tensor]
    """Each (batch, …)."""


class Normaliser(nn.Module):
    """Standardises a vector by statistics fitted once on training data.

    Args:
        size: Length of the vector.
    """

    FLOOR = 1e-2  # Of the deviation: constants must not blow up noise.

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def fit(self, values: Tensor) -> None:
        """Takes mean and deviation of values; (sample, size)."""
        self.mean.copy_(values.mean(0))
        self.deviation.copy_(values.std(0, unbiased=False).clamp(min=self.FLOOR))

    def forward(self, value: Tensor) -> Tensor:
        """The value with mean 0 and deviation 1 over the fitted data; (…, size)."""
        return (value - self.mean) / self.deviation


def task_layer(embedding: int, width: int) -> nn.Linear:
    """The layer that reads the task embedding; a learned vector where there is none.

    It starts as that of a single input would: a bias of zeros, as PyTorch has it for none,
    would not learn where it is multiplied by or normalised.

    Args:
        embedding: Length of the task embedding; 0 for none.
        width: Length of what the layer gives.
    """
    layer = nn.Linear(max(embedding, 1), width)
    if not embedding:
        layer.in_features = 0
        layer.weight = nn.Parameter(torch.zeros(width, 0))
    return layer


class Policy(nn.Module, ABC):
    """A task-conditioned policy; subclasses carry their config as ``Config``.

    A policy is addressed by its parts ``encoder`` (of the task embedding), ``trunk`` and
    ``head``, so that methods can train some of them. What an objective learns beside the
    policy, such as a prior or a demonstration encoder, is its part ``meta``.

    Args:
        config: The subclass's own frozen config dataclass.
        spec: Sizes of what it reads and writes.
    """

    Config: type[Any]
    trainable: ClassVar[bool] = True
    """Whether training and adaptation start from it; not from what methods made."""
    kept: ClassVar[tuple[str, ...]] = ("meta",)
    """Parts that adaptation leaves as training has made them."""

    def __init__(self, config: Any, spec: Spec) -> None:
        super().__init__()
        self.config = config
        self.spec = spec
        self.normaliser = Normaliser(spec.state)
        self.meta: nn.Module | None = None

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.normaliser.mean.device

    @classmethod
    def check(cls, spec: Spec) -> None:
        """Refuses sizes that the policy cannot be built for, before anything is written.

        Raises:
            ValueError: Saying what would fit.
        """

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """The loss of each sample; reduction, weights and tasks are the caller's."""

    @abstractmethod
    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """The actions to take from here on, within [-1, 1], and the memory to keep.

        A policy that draws random numbers takes them from torch's default generator,
        which evaluation seeds by the trials.

        Args:
            observation: ``state`` of shape (batch, state).
            task_embedding: Shape (batch, embedding).
            memory: What the last call returned; None at the first step of a trial.

        Returns:
            Action chunk of shape (batch, chunk, action), and the memory.
        """

    @property
    def chunk(self) -> int:
        """Number of actions predicted at once; 1 where the config does not say."""
        return int(getattr(self.config, "chunk", 1))

    @property
    def last_layers(self) -> tuple[str, ...]:
        """Names of the modules from the last block of the trunk on, in order.

        The last block begins at the trunk's last child that holds a matrix. Of ``film``
        with three blocks these are ``trunk.2``, ``norm`` and ``head``; of ``mlp`` with
        three layers ``trunk.6``, ``trunk.7``, ``trunk.8`` and ``head``.
        """
        names = [name for name, _ in self.named_children() if name != "meta"]
        blocks = list(self.get_submodule("trunk").named_children())
        matrices = [
            place
            for place, (_, block) in enumerate(blocks)
            if any(parameter.ndim > 1 for parameter in block.parameters())
        ]
        last = [f"trunk.{name}" for name, _ in blocks[matrices[-1] :]]
        return (*last, *names[names.index("trunk") + 1 :])

    @property
    def num_parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.parameters())


def loss_of(policy: Policy, batch: Batch) -> Loss:
    """The policy's loss of each sample of a batch, checked.

    Raises:
        InputError: If it returns anything else, naming the policy, what it returned and
            what was expected.
    """
    loss: Any = policy.loss(batch)
    rows = (len(batch.action),)
    if not isinstance(loss, Loss):
        raise InputError(
            f"{type(policy).__name__}.loss returned {_kind(loss)}; expected a Loss, of a"
            f" tensor of shape {rows} and a dict of metrics."
        )
    if not isinstance(loss.per_sample, Tensor) or loss.per_sample.shape != rows:
        raise InputError(
            f"{type(policy).__name__}.loss returned per_sample as {_kind(loss.per_sample)};"
            f" expected one loss per sample, of shape {rows}, not their mean."
        )
    return loss


def actions_of(
    policy: Policy,
    observation: Mapping[str, Tensor],
    task_embedding: Tensor,
    memory: Memory | None,
) -> tuple[Tensor, Memory | None]:
    """The policy's action chunk, in float32, and its memory, checked.

    Raises:
        InputError: If it returns anything else, naming the policy, what it returned and
            what was expected.
    """
    returned: Any = policy.act(observation, task_embedding, memory)
    rows, size = len(task_embedding), policy.spec.action
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise InputError(
            f"{type(policy).__name__}.act returned {_kind(returned)}; expected an action"
            " chunk and the memory to keep, or None."
        )
    chunk, kept = returned
    fits = isinstance(chunk, Tensor) and chunk.is_floating_point() and chunk.ndim == 3
    if not fits or chunk.shape[::2] != (rows, size) or not chunk.shape[1]:
        raise InputError(
            f"{type(policy).__name__}.act returned {_kind(chunk)}; expected an action chunk"
            f" of shape ({rows}, chunk, {size}), of 1 action or more."
        )
    return chunk.float(), kept


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        return f"a tensor of shape {tuple(value.shape)} and type {dtype}"
    return kind_of(value)
