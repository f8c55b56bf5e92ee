"""The contract of adaptation methods, and their registry.

A method maps a policy and a support, a few demonstrations of one task, to a policy.
"""

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
    """Gradient steps, batch size and machine that an adaptation may use."""

    steps: int | None = None
    """Number of gradient steps; the method's default if None."""
    batch_size: int = 256
    """Samples in a gradient step."""
    machine: Machine = field(default_factory=Machine)
    """Device and precision of the adaptation."""

    def __post_init__(self) -> None:
        """Checks the types and ranges.

        Raises:
            InputError: If ``steps`` or ``batch_size`` is below 1.
        """
        check_types(self)
        for name in ("steps", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(
                    f"The budget has {name}={value}; give at least 1, or choose the method"
                    " zero_shot, which takes no gradient step."
                )


class Adapted(NamedTuple):
    """An adapted policy and the cost of its adaptation."""

    policy: Policy
    """Adapted policy; a copy, unless the method leaves the policy unchanged."""
    card: Card
    """Architecture, conditioning and objective of the adapted policy."""
    steps: int = 0
    """Number of gradient steps taken."""
    parameters: int = 0
    """Count of parameters that were trained, solved for or inferred."""


class Method(Protocol):
    """An adaptation method: a frozen dataclass of its hyper-parameters.

    A method changes the weights, the task embedding (``card.conditioning``), or the
    demonstrations that the policy remembers.
    """

    objective: ClassVar[str | None]
    """Registered name of the objective a policy must be trained with; None for any."""

    @property
    def steps(self) -> int:
        """Default number of gradient steps; 0 if the method takes none."""
        ...

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """Policy adapted to the task of the support.

        Args:
            trained: Policy on the device of the budget; the method must not change it.
            support: Demonstrations that fit the policy; ``robomtl.adapt`` has checked.
            budget: Gradient steps, batch size and machine to use.
            generator: Source of all random numbers; on the CPU.

        Raises:
            FloatingPointError: If the adaptation diverges.
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
"""Adaptation methods by name; each is a frozen dataclass of hyper-parameters."""
