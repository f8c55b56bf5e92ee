"""The base class of policies, and the batches, losses and memories that they exchange."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from robomtl.catalogue import Registry
from robomtl.conditioning.conditioning import Wording
from robomtl.features import STATE
from robomtl.layers.normaliser import Moments
from robomtl.layers.normaliser import Normaliser as Normaliser
from robomtl.layers.observer import EMBODIMENT as EMBODIMENT
from robomtl.layers.observer import Observer
from robomtl.layers.task_layer import task_layer as task_layer
from robomtl.spec import Spec as Spec


class Batch(NamedTuple):
    """Samples of demonstrations: an observation each, and the actions from its step on."""

    observation: dict[str, Tensor]
    """Features by name: states in float32, (batch, length), and images in uint8, (batch,
    height, width, 3); with a time axis after batch if the policy reads a history.

    For a policy that is conditioned on goal images, ``goal.`` and the name of an image
    feature is the image at the goal, without a time axis, and black where it is withheld.
    With several robots, features are padded with zeros to the longest, and ``embodiment``
    is the index of each sample's robot; (batch,)."""
    action: Tensor
    """Actions from this step on, within [-1, 1], padded with zeros if another robot has
    longer actions; (batch, chunk, action)."""
    mask: Tensor
    """1 for actions within the episode, 0 for padding; (batch, chunk)."""
    task_embedding: Tensor
    """Embedding that the policy is conditioned on; (batch, embedding)."""
    task: Tensor
    """Index of the task, for sampling and statistics only; (batch,)."""


class Context(NamedTuple):
    """Demonstrations of a batch of tasks, subsampled to the same number of steps each."""

    state: Tensor
    """State of each step, padded with zeros if another robot has a longer one; (task, shot,
    time, state)."""
    action: Tensor
    """Action taken at each step, padded in the same way; (task, shot, time, action)."""
    progress: Tensor
    """Fraction of the episode before each step, from 0 to 1; (task, shot, time)."""
    mask: Tensor
    """1 for shots that exist, 0 for padding of tasks with fewer shots; (task, shot)."""
    robot: Tensor
    """Index of each shot's robot, 0 for a single robot; (task, shot)."""


class Loss(NamedTuple):
    """A loss before reduction, so that samples and tasks are weighted outside the policy."""

    per_sample: Tensor
    """Loss of each sample; (batch,)."""
    metrics: dict[str, Tensor]
    """Scalars for logging, detached."""


class Memory(NamedTuple):
    """Recurrent state of a policy over a batch of running trials."""

    tensors: dict[str, Tensor]
    """Tensors by name; (batch, …)."""


_BESIDE = ("meta", "auxiliary")  # Parts that are not used in prediction.


class Policy(nn.Module, ABC):
    """Base class of task-conditioned policies; subclasses set ``Config``.

    A policy has the parts ``encoder`` (of the task embedding), ``trunk`` and ``head``, which
    methods address to train some of them. Modules that an objective learns beside the
    policy, such as a prior or a demonstration encoder, are its part ``meta``. Modules that
    only training uses are its part ``auxiliary``, which is not saved in checkpoints.

    Args:
        config: Instance of the subclass's ``Config``.
        spec: Sizes of the observations, the task embedding and the actions.
    """

    Config: type[Any]
    """Frozen dataclass of the architecture's settings."""
    trainable: ClassVar[bool] = True
    """Whether training and adaptation can start from this architecture; False for those
    that adaptation methods build."""
    wording: ClassVar[Wording] = "embedding"
    """Form of the instructions that the policy reads: sentence embeddings or characters."""
    vectorised: ClassVar[bool] = True
    """Whether the loss supports ``torch.vmap``, which inner loops over many tasks use."""
    default_history: ClassVar[int] = 1
    """Default number of observations that the policy reads."""
    fixed_parts: ClassVar[tuple[str, ...]] = ("meta",)
    """Parts that adaptation does not change."""

    def __init__(self, config: Any, spec: Spec) -> None:
        super().__init__()
        self.config = config
        self.spec = spec
        self.normaliser = Normaliser(spec.state_slices[-1].stop)
        self.observer = Observer(spec)
        self.meta: nn.Module | None = None
        self.auxiliary: nn.Module | None = None

    @property
    def device(self) -> torch.device:
        """Device of the policy's parameters."""
        return self.normaliser.mean.device

    def fit(self, observation: Mapping[str, Tensor]) -> None:
        """Sets the normalisation statistics, per robot, from training data.

        Args:
            observation: State features, see ``Batch.observation``; without a history.
        """
        self.fit_blocks([observation])

    def fit_blocks(self, blocks: Iterable[Mapping[str, Tensor]]) -> None:
        """Sets the normalisation statistics, per robot, from blocks of training data.

        Args:
            blocks: Observations, each as for ``fit``.
        """
        if not self.spec.states:
            return  # Images are not standardised.
        moments = [Moments() for _ in self.spec.embodiments]
        for observation in blocks:
            spread = self.observer.spread(observation)
            if len(moments) == 1:
                moments[0].add(spread)
                continue
            for robot, columns in enumerate(self.spec.state_slices):
                moments[robot].add(spread[observation[EMBODIMENT] == robot, columns])
        for found, columns in zip(moments, self.spec.state_slices, strict=True):
            if found.count:
                self.normaliser.fit(found, columns)

    def observed(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor | None = None
    ) -> Tensor:
        """The input of the network: standardised states and encoded images, joined.

        Args:
            observation: See ``Batch.observation``.
            task_embedding: Embedding that modulates image encoders, (batch, embedding);
                None leaves them unmodulated.

        Returns:
            (batch, ``spec.inputs``).
        """
        spread = self.normaliser(self.observer.spread(observation))
        return self.observer.joined(observation, spread, task_embedding)

    def observed_steps(self, context: Context) -> Tensor:
        """The input of the network for steps of demonstrations; (task, shot, time, input)."""
        robot = context.robot[..., None].expand(context.progress.shape)
        return self.observed({STATE: context.state, EMBODIMENT: robot})

    @classmethod
    def check(cls, spec: Spec) -> None:
        """Refuses sizes that the policy does not support, before anything is written.

        Raises:
            ValueError: If it does not support them; the message names supported sizes.
        """

    @abstractmethod
    def loss(self, batch: Batch) -> Loss:
        """The loss of each sample; the caller reduces it and weights samples and tasks."""

    @abstractmethod
    def act(
        self,
        observation: Mapping[str, Tensor],
        task_embedding: Tensor,
        memory: Memory | None,
    ) -> tuple[Tensor, Memory | None]:
        """Predicts an action chunk, within [-1, 1], and updates the memory.

        A policy that draws random numbers uses torch's default generator, which evaluation
        seeds by the trials.

        Args:
            observation: Features by name; see ``Batch.observation``.
            task_embedding: (batch, embedding).
            memory: Memory that the last call returned; None at the first step of a trial.

        Returns:
            Action chunk, (batch, chunk, action), and the memory for the next call, or None
            for a policy without memory.
        """

    @property
    def chunk(self) -> int:
        """Number of actions predicted at once; 1 if the config has no field ``chunk``."""
        return int(getattr(self.config, "chunk", 1))

    @property
    def last_layers(self) -> tuple[str, ...]:
        """Names of the modules from the last block of the trunk on, in order.

        The last block begins at the trunk's last child that has a weight matrix. For
        ``film`` with three blocks these are ``trunk.2``, ``norm`` and ``head``; for ``mlp``
        with three layers, ``trunk.6``, ``trunk.7``, ``trunk.8`` and ``head``.
        """
        names = [name for name, _ in self.named_children() if name not in _BESIDE]
        blocks = list(self.get_submodule("trunk").named_children())
        matrices = [
            index
            for index, (_, block) in enumerate(blocks)
            if any(parameter.ndim > 1 for parameter in block.parameters())
        ]
        last = [f"trunk.{name}" for name, _ in blocks[matrices[-1] :]]
        return (*last, *names[names.index("trunk") + 1 :])

    @property
    def num_parameters(self) -> int:
        """Number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())


POLICIES: Registry[type[Policy]] = Registry(
    "policy",
    "robomtl.policies",
    {
        "act": "robomtl.policies.act:Act",
        "diffusion": "robomtl.policies.diffusion:Diffusion",
        "film": "robomtl.policies.film:Film",
        "flow": "robomtl.policies.diffusion:Flow",
        "in_context": "robomtl.policies.in_context:InContextTransformer",
        "mixture_of_experts": "robomtl.policies.mixture_of_experts:MixtureOfExperts",
        "mlp": "robomtl.policies.mlp:MLP",
        "multi_head": "robomtl.policies.multi_head:MultiHead",
        "nearest_neighbour": "robomtl.policies.nearest_neighbour:NearestNeighbour",
        "octo": "robomtl.policies.octo:Octo",
        "regent": "robomtl.policies.regent:Regent",
        "replay": "robomtl.policies.replay:Replay",
        "rt1": "robomtl.policies.rt1:RT1",
        "rt2": "robomtl.policies.rt2:RT2",
        "soft_modularization": "robomtl.policies.soft_modularization:SoftModularization",
        "switched": "robomtl.policies.switched:Switched",
        "transformer": "robomtl.policies.transformer:Transformer",
        "vinn": "robomtl.policies.vinn:VINN",
    },
)
"""Policy classes; each has its config dataclass as the attribute ``Config``."""
