"""The contract every policy keeps, and what travels in and out of it."""

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
from robomtl.layers.observing import EMBODIMENT as EMBODIMENT
from robomtl.layers.observing import Observer
from robomtl.layers.task_layer import task_layer as task_layer
from robomtl.spec import Spec as Spec


class Batch(NamedTuple):
    """Samples of demonstrations, each a step and the actions that follow it."""

    observation: dict[str, Tensor]
    """Features by name: states in float32, (batch, length), and images as uint8, (batch,
    height, width, 3); with a second axis, time, for a policy that reads a history. Where
    it is conditioned on goal images, ``goal.`` and the name of an image feature is one
    at the goal, black where withheld, without an axis for time. Where robots differ, a feature has the length of the longest, filled up with zeros, and
    ``embodiment`` is the index of each sample's robot; (batch,)."""
    action: Tensor
    """Actions from this step on, within [-1, 1], filled up with zeros where another robot
    has longer ones; (batch, chunk, action)."""
    mask: Tensor
    """Which of these actions lie within the episode, 1 or 0; (batch, chunk)."""
    task_embedding: Tensor
    """Embedding that the policy is conditioned on; (batch, embedding)."""
    task: Tensor
    """Index of the task, for sampling and accounting only; (batch,)."""


class Context(NamedTuple):
    """Demonstrations of a batch of tasks, subsampled to the same number of steps each."""

    state: Tensor
    """Filled up with zeros where another robot has a longer one; (task, shot, time,
    state)."""
    action: Tensor
    """The action taken there, filled up in the same way; (task, shot, time, action)."""
    progress: Tensor
    """Part of its episode that lies before a step, from 0 to 1; (task, shot, time)."""
    mask: Tensor
    """Which shots are there, 1 or 0; a task may have fewer than others. (task, shot)"""
    robot: Tensor
    """Index of the robot of each shot, 0 where there is one robot; (task, shot)."""


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


_BESIDE = ("meta", "auxiliary")  # Parts that no prediction needs.


class Policy(nn.Module, ABC):
    """A task-conditioned policy; subclasses carry their config as ``Config``.

    A policy is addressed by its parts ``encoder`` (of the task embedding), ``trunk`` and
    ``head``, so that methods can train some of them. What an objective learns beside the
    policy, such as a prior or a demonstration encoder, is its part ``meta``. What only
    training sees is its part ``auxiliary``, which checkpoints lack.

    Args:
        config: The subclass's own frozen config dataclass.
        spec: Sizes of what it reads and writes.
    """

    Config: type[Any]
    trainable: ClassVar[bool] = True
    """Whether training and adaptation start from it; not from what methods made."""
    wording: ClassVar[Wording] = "embedding"
    """How it reads instructions: as sentence embeddings, or as characters."""
    vectorised: ClassVar[bool] = True
    """Whether ``torch.vmap`` can take its loss, as inner loops over many tasks need."""
    usual_history: ClassVar[int] = 1
    """Observations that it reads where a training run names no other number."""
    kept: ClassVar[tuple[str, ...]] = ("meta",)
    """Parts that adaptation leaves as training has made them."""

    def __init__(self, config: Any, spec: Spec) -> None:
        super().__init__()
        self.config = config
        self.spec = spec
        self.normaliser = Normaliser(spec.places[-1].stop)
        self.observer = Observer(spec)
        self.meta: nn.Module | None = None
        self.auxiliary: nn.Module | None = None

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.normaliser.mean.device

    def fit(self, observation: Mapping[str, Tensor]) -> None:
        """Takes the statistics of training data, of each robot from its own samples.

        Args:
            observation: State features, see ``Batch.observation``; without a history.
        """
        self.fit_blocks([observation])

    def fit_blocks(self, blocks: Iterable[Mapping[str, Tensor]]) -> None:
        """Takes the statistics of training data that come in blocks.

        Args:
            blocks: Each as ``fit`` takes it.
        """
        if not self.spec.states:
            return  # Images are not standardised.
        moments = [Moments() for _ in self.spec.embodiments]
        for observation in blocks:
            spread = self.observer.spread(observation)
            if len(moments) == 1:
                moments[0].add(spread)
                continue
            for robot, place in enumerate(self.spec.places):
                moments[robot].add(spread[observation[EMBODIMENT] == robot, place])
        for found, place in zip(moments, self.spec.places, strict=True):
            if found.count:
                self.normaliser.fit(found, place)

    def observed(
        self, observation: Mapping[str, Tensor], task_embedding: Tensor | None = None
    ) -> Tensor:
        """The vector that the network reads, standardised; (batch, ``spec.inputs``).

        Args:
            observation: See ``Batch.observation``.
            task_embedding: Modulates encoders of images; None leaves them unmodulated.
                (batch, embedding)
        """
        spread = self.normaliser(self.observer.spread(observation))
        return self.observer.joined(observation, spread, task_embedding)

    def observed_steps(self, context: Context) -> Tensor:
        """The steps of demonstrations as ``observed``; (task, shot, time, input)."""
        robot = context.robot[..., None].expand(context.progress.shape)
        return self.observed({STATE: context.state, EMBODIMENT: robot})

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
            observation: Features by name; see ``Batch.observation``.
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
        names = [name for name, _ in self.named_children() if name not in _BESIDE]
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
"""Policy classes; each carries its config dataclass as the attribute ``Config``."""
