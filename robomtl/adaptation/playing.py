"""What a worker process does with a cell, and what it keeps between cells."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from robomtl import checkpoint
from robomtl.adaptation.adapting import adapt_by
from robomtl.adaptation.benchmark import Problem
from robomtl.adaptation.cell import Cell, trials_of
from robomtl.adaptation.controls import support_under
from robomtl.adaptation.method import Budget, Method
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.work import KeptEnvs
from robomtl.experiments.cost import Cost
from robomtl.experiments.playing import play_trials
from robomtl.experiments.running import Done
from robomtl.task import Suite, one_env_per_process
from robomtl.versions import processor

# What adaptation and its policy may raise of themselves; the rest are bugs.
_GIVES_UP = (FloatingPointError, InputError, LinAlgError)


@dataclass(frozen=True, kw_only=True)
class Material:
    """What cells are made of, besides what they name themselves."""

    suite: Suite
    """Supplies the tasks."""
    methods: Mapping[str, Method]
    """By their labels."""
    problems: tuple[Problem, ...]
    """All that are to be learned."""
    pool: Path
    """Demonstrations that supports are drawn from."""
    prior: Path | None
    """Demonstrations the policies were trained on; None if not known."""
    budget: Budget
    """Samples in a gradient step, and what methods compute with."""


class PlayCell:
    """Adapts and plays; a process keeps policies, demonstrations and envs.

    Args:
        material: What cells are made of.
    """

    def __init__(self, material: Material) -> None:
        self._of = material
        # One task at a time: those adapted to stay while others are looked back on.
        self._envs = KeptEnvs(material.suite)
        self._retained = self._envs
        if not one_env_per_process(material.suite):
            self._retained = KeptEnvs(material.suite)
        self._policies: dict[str, TrainedPolicy] = {}
        self._read: dict[Path, Demonstrations] = {}

    def __call__(self, cell: Cell) -> Done:
        """How the adaptation of a cell went, and each of its trials.

        A method that diverges, cannot do what it is asked, or leaves a policy that acts
        without bounds has errors for outcomes, and says why.
        """
        torch.set_num_threads(1)  # Each worker has a core; sums depend on the number.
        try:
            adapted, cost = self._adapted(cell)
            outcomes = self._play(adapted, cell)
        except _GIVES_UP as error:
            failed = Done.failed(str(error), len(trials_of(self._of.suite, cell)))
            return failed._replace(processor=processor())
        return Done(outcomes, cost, processor=processor())

    def _adapted(self, cell: Cell) -> tuple[TrainedPolicy, Cost | None]:
        trained = self._policy(cell.run)
        if cell.problem is None:
            return trained, None
        budget = replace(self._of.budget, steps=cell.steps)
        method, support = self._of.methods[cell.method], self._support(cell)
        return adapt_by(method, trained, support, budget, cell.draws)

    def _support(self, cell: Cell) -> Support:
        assert cell.problem is not None
        support = support_under(
            cell.control,
            self._demonstrations(self._of.pool),
            self._of.suite,
            cell.problem,
            self._of.problems,
            shots=max(cell.shots, 1),  # A method that looks at none is given one.
            draw=cell.draw,
        )
        if self._of.prior is None:
            return support
        return replace(support, prior=self._demonstrations(self._of.prior))

    def _play(self, adapted: TrainedPolicy, cell: Cell) -> list[Outcome]:
        suite, trials = self._of.suite, trials_of(self._of.suite, cell)
        query = len(cell.problem.variations) if cell.problem else 0
        return [
            *play_trials(adapted, suite, trials[:query], self._envs),
            *play_trials(adapted, suite, trials[query:], self._retained),
        ]

    def _policy(self, run: str) -> TrainedPolicy:
        if run not in self._policies:
            self._policies[run] = checkpoint.load(run)
        return self._policies[run]

    def _demonstrations(self, path: Path) -> Demonstrations:
        if path not in self._read:
            self._read[path] = Demonstrations(path)
        return self._read[path]
