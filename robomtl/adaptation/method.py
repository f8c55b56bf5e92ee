"""The contract of adaptation: a policy and a few demonstrations in, a policy out."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol

from torch import Generator

from robomtl.adaptation.support import Support
from robomtl.catalogue import Registry
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.errors import InputError
from robomtl.execution.machine import Machine
from robomtl.policy import Policy
from robomtl.ranges import check_types, settings


@settings
@dataclass(frozen=True, kw_only=True)
class Budget:
    """The budget of an adaptation."""

    steps: int | None = None
    """Gradient steps; those that the method takes by default if None."""
    batch_size: int = 256
    """Samples in a step."""
    machine: Machine = field(default_factory=Machine)
    """Device and precision of the adaptation."""

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            InputError: If the budget allows nothing.
        """
        check_types(self)
        for name in ("steps", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(
                    f"A budget of {name}={value} allows nothing; give at least 1, or the"
                    " method zero_shot, which takes no step."
                )


class Adapted(NamedTuple):
    """An adapted policy, and the cost of its adaptation."""

    policy: Policy
    """A new one; the given one is as it was."""
    card: Card
    """What it is."""
    steps: int = 0
    """Gradient steps taken."""
    parameters: int = 0
    """Numbers that were trained, solved for or inferred."""


class Method(Protocol):
    """A way to adapt; a frozen dataclass of its hyper-parameters.

    Adaptation changes one of three things: the weights, the task's embedding
    (``card.conditioning``), and what the policy remembers of demonstrations.
    """

    objective: ClassVar[str | None]
    """Registered name of the objective a policy must be trained with; None for any."""

    @property
    def steps(self) -> int:
        """Gradient steps it takes by default; 0 if it takes none."""
        ...

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy for the task of the support.

        Args:
            trained: Left as it is; on the device of the budget.
            support: Fits the policy; ``robomtl.adapt`` has checked that.
            budget: What may be used.
            generator: Of every random number; on the CPU.

        Raises:
            FloatingPointError: If it diverges.
        """
        ...


METHODS: Registry[type[Method]] = Registry(
    "method",
    "robomtl.methods",
    {
        "alpaca": "robomtl.adaptation.methods.alpaca:Alpaca",
        "anil": "robomtl.adaptation.methods.maml:Anil",
        "context": "robomtl.adaptation.methods.context:PooledContext",
        "finetune": "robomtl.adaptation.methods.finetune:Finetune",
        "imaml": "robomtl.adaptation.methods.imaml:Imaml",
        "in_context": "robomtl.adaptation.methods.in_context:InContext",
        "lora": "robomtl.adaptation.methods.lora:Lora",
        "maml": "robomtl.adaptation.methods.maml:Maml",
        "meta_sgd": "robomtl.adaptation.methods.maml:MetaSgd",
        "mil": "robomtl.adaptation.methods.maml:Mil",
        "nearest_neighbour": "robomtl.adaptation.methods.nearest_neighbour:NearestNeighbour",
        "neural_process": "robomtl.adaptation.methods.neural_process:NeuralProcess",
        "pearl_context": "robomtl.adaptation.methods.pearl_context:PearlContext",
        "regent": "robomtl.adaptation.methods.regent:Regent",
        "replay": "robomtl.adaptation.methods.replay:Replay",
        "reptile": "robomtl.adaptation.methods.reptile:Reptile",
        "retrieval": "robomtl.adaptation.methods.retrieval:Retrieval",
        "scratch": "robomtl.adaptation.methods.scratch:Scratch",
        "task_embedding": "robomtl.adaptation.methods.task_embedding:TaskEmbedding",
        "tecnet": "robomtl.adaptation.methods.tecnet:Tecnet",
        "vinn": "robomtl.adaptation.methods.vinn:VINN",
        "zero_shot": "robomtl.adaptation.methods.zero_shot:ZeroShot",
    },
)
"""Ways to adapt: frozen dataclasses of a method's hyper-parameters."""
