"""Work on one cell in a worker process: adapts a policy and plays its trials."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from robomtl import checkpoint
from robomtl.adaptation.adapting import adapt_by
from robomtl.adaptation.method import Budget, Method
from robomtl.adaptation.support import Support
from robomtl.checkpoint import TrainedPolicy
from robomtl.cost import Cost
from robomtl.demonstrations import Demonstrations
from robomtl.errors import GaveUpError, InputError
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.kept import KeptEnvs
from robomtl.evaluation.rollout import Outcome
from robomtl.experiments.adapt.adaptation_problems import Problem
from robomtl.experiments.adapt.controls import SupportPool, support_under
from robomtl.experiments.adapt.method_cells import MethodCell
from robomtl.experiments.playing import play_trials
from robomtl.task import Suite, one_env_per_process


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Suite, methods, problems and data shared by all cells of an experiment."""

    suite: Suite
    """Suite of the tasks."""
    methods: Mapping[str, Method]
    """Methods by label."""
    problems: tuple[Problem, ...]
    """All problems to adapt to."""
    pool: Path
    """Folder of the demonstrations that supports are drawn from."""
    prior: Path | None
    """Folder of the demonstrations that the policies were trained on; None if unknown."""
    budget: Budget
    """Batch size, device and precision of the methods."""


class PlayCell:
    """Plays cells; keeps policies, demonstrations and envs between calls.

    Args:
        shared: Suite, methods, problems and data shared by all cells.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        # Envs of one task each: those of the new task are kept during retained trials.
        self._envs = KeptEnvs(shared.suite)
        self._retained = self._envs
        if not one_env_per_process(shared.suite):
            self._retained = KeptEnvs(shared.suite)
        self._policies: dict[str, TrainedPolicy] = {}
        self._read: dict[Path, Demonstrations] = {}

    def __call__(self, cell: MethodCell) -> Done:
        """Cost of the adaptation of a cell, and the outcome of each trial.

        If the policy or the demonstrations cannot be read, the cell fails with the reason,
        and the next call of the experiment tries it again.

        Raises:
            FloatingPointError: If the method diverges.
            GaveUpError: If the method gives up, or the adapted policy gives non-finite
                actions.
        """
        try:
            adapted, cost = self._adapted(cell)
            return Done(self._play(adapted, cell), cost=cost)
        except GaveUpError:
            raise
        except (InputError, OSError) as error:
            return Done.failed(str(error), len(cell.trials), retry=True)

    def _adapted(self, cell: MethodCell) -> tuple[TrainedPolicy, Cost | None]:
        trained = self._policy(cell.run)
        if cell.problem is None:
            return trained, None
        budget = replace(self._shared.budget, steps=cell.steps)
        method, support = self._shared.methods[cell.method], self._support(cell)
        return adapt_by(method, trained, support, budget, cell.random_seed)

    def _support(self, cell: MethodCell) -> Support:
        assert cell.problem is not None
        pool = SupportPool(
            demonstrations=self._demonstrations(self._shared.pool),
            suite=self._shared.suite,
            problems=self._shared.problems,
        )
        support = support_under(
            cell.control,
            pool,
            cell.problem,
            shots=max(cell.shots, 1),  # A support needs one, even if it is not used.
            draw=cell.draw,
        )
        if self._shared.prior is None:
            return support
        return replace(support, prior=self._demonstrations(self._shared.prior))

    def _play(self, adapted: TrainedPolicy, cell: MethodCell) -> list[Outcome]:
        suite, query = self._shared.suite, cell.query
        return [
            *play_trials(adapted, suite, cell.trials[:query], self._envs),
            *play_trials(adapted, suite, cell.trials[query:], self._retained),
        ]

    def _policy(self, run: str) -> TrainedPolicy:
        if run not in self._policies:
            self._policies[run] = checkpoint.load(run)
        return self._policies[run]

    def _demonstrations(self, path: Path) -> Demonstrations:
        if path not in self._read:
            self._read[path] = Demonstrations(path)
        return self._read[path]
