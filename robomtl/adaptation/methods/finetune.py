"""Fine-tuning: the trained policy goes on learning, from the new task alone.

Sources: the recipe of Octo (Octo Model Team 2024, arXiv:2405.12213, section III.C): all
weights, or the head alone, under a rate that warms up and falls. Linear probe, then
fine-tune: Kumar et al. 2022, arXiv:2202.10054, section 3.4. Departures:

1. The rate only falls; these runs are too short to warm up.
2. The probe takes some of the gradient steps; the paper solves for it until it converges.
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
    """Trains all weights of a policy, or its last ones, on the support."""

    part: Part = "all"
    """What is trained; see ``robomtl.adaptation.meta.parts``."""
    probe_steps: int = 0
    """How many of the gradient steps, the first ones, train the head alone."""

    objective: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            InputError: If one is out of range, or the probe leaves nothing to fine-tune.
        """
        super().__post_init__()
        check_part(self.part)
        if not 0 <= self.probe_steps < self.steps:
            raise InputError(
                f"probe_steps is {self.probe_steps}; give 0 to below the {self.steps}"
                " steps, of which the probe takes the first."
            )
        if self.probe_steps and self.part == "head":
            raise InputError(
                "probe_steps trains the head before the rest, and part='head' trains no"
                " rest; leave one of the two out."
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
        """The phases of training: which parts, and for how many steps."""
        probe = min(self.probe_steps, steps)  # Departure 2; a budget may have fewer.
        phases: list[tuple[Part, int]] = [("head", probe), (self.part, steps - probe)]
        return [(part, count) for part, count in phases if count]
