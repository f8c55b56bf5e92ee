"""Fine-tuning: training of the policy continues on the new task.

Sources: the recipe of Octo (Octo Model Team 2024, arXiv:2405.12213, section III.C): all
weights, or the head alone, with warm-up and decay of the learning rate. Linear probing
before fine-tuning: Kumar et al. 2022, arXiv:2202.10054, section 3.4. Departures:

1. The learning rate only falls; these runs are too short for a warm-up.
2. Probing takes some of the gradient steps; the paper solves for the head until
   convergence.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from torch import Generator

from robomtl.adaptation.meta.cotraining import Transfer
from robomtl.adaptation.meta.gradient import copied, descend, freeze, trained_parameters
from robomtl.adaptation.meta.parts import Part, belongs, check_part
from robomtl.adaptation.method import Adapted, Budget
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Finetune(Transfer):
    """Trains all weights of a policy, or its last layers, on the support."""

    part: Part = "all"
    """Part of the policy that is trained; see ``robomtl.adaptation.meta.parts``."""
    probe_steps: int = 0
    """Number of first gradient steps that train the head alone (linear probing)."""

    objective: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If a value is out of range, or probing leaves no step or no weight
                to fine-tune.
        """
        super().__post_init__()
        check_part(self.part)
        if not 0 <= self.probe_steps < self.steps:
            raise InputError(
                f"probe_steps is {self.probe_steps}; give 0 to below the {self.steps}"
                " gradient steps, the first of which train the head alone."
            )
        if self.probe_steps and self.part == "head":
            raise InputError(
                "probe_steps trains the head before the other weights, but part='head'"
                " trains the head only; leave one of the two out."
            )

    def adapt(
        self,
        trained: TrainedPolicy,
        support: Support,
        budget: Budget,
        generator: Generator,
    ) -> Adapted:
        """The policy after gradient steps on the support; see ``Method``."""
        config = self.descent(budget)
        policy = copied(trained.policy, lambda name: True)
        parameters = 0
        for part, steps in self._phases(config.steps):
            freeze(policy, partial(belongs, policy, part))
            parameters = trained_parameters(policy)
            draws = self.draws(trained, support, generator)
            descend(policy, draws, replace(config, steps=steps))
        return Adapted(policy, trained.card, config.steps, parameters)

    def _phases(self, steps: int) -> list[tuple[Part, int]]:
        """Phases of training: the part that is trained and its number of steps."""
        probe = min(self.probe_steps, steps)  # Departure 2; the budget may be smaller.
        phases: list[tuple[Part, int]] = [("head", probe), (self.part, steps - probe)]
        return [(part, count) for part, count in phases if count]
