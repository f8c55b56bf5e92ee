"""The work on a cell of a lifelong experiment: a stream is learned task by task."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.stage import Stage
from robomtl.cost import Cost
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.evaluation.journal_lines import Done
from robomtl.evaluation.kept import KeptEnvs
from robomtl.evaluation.planning import suite_identity
from robomtl.evaluation.rollout import Outcome
from robomtl.experiments.lifelong.lifelong_design import LifelongRequest, StreamCell
from robomtl.experiments.lifelong.variants import Variant
from robomtl.experiments.playing import play_trials
from robomtl.files.durable import write_json
from robomtl.files.lock import locked
from robomtl.files.request import digest_of_value
from robomtl.files.untrusted import read_json
from robomtl.names import file_name
from robomtl.progress import quiet
from robomtl.task import Suite, Trial
from robomtl.training.elapsed import elapsed_in, noted

_SECONDS = "seconds.json"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Data and settings that all cells of an experiment share."""

    request: LifelongRequest
    """Numbers of steps, samples and trials."""
    suite: Suite
    """Supplies the tasks."""
    stream: tuple[str, ...]
    """Names of the tasks in the given order."""
    variants: Mapping[str, Variant]
    """Methods by label."""
    data: Path
    """Folder of the demonstrations of the tasks."""
    sha256: str
    """Hash of the demonstrations that are learned from."""
    runs: Path
    """Folder of the run directories."""


@dataclass(frozen=True)
class _Played:
    """The outcomes of the trials of one task."""

    outcomes: list[Outcome]
    trials: str = ""
    """Hash of the trials and their suite; empty in files of earlier versions."""


class LearnStream:
    """Learns and plays a stream; demonstrations and envs are kept between cells.

    Args:
        shared: Data and settings that all cells share.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._envs = KeptEnvs(shared.suite)
        self._data: Demonstrations | None = None

    def __call__(self, cell: StreamCell) -> Done:
        """Learns the stream of a cell, and returns the outcomes of its trials.

        Finished run directories and outcomes of an interrupted cell are read.

        Raises:
            FloatingPointError: If a training diverges.
            GaveUpError: If a method gives up, or an action of a policy is not finite.
        """
        variant, by_stage = self._shared.variants[cell.method], _by_stage(cell)
        outcomes, seconds, parameters = list[Outcome](), 0.0, 0
        acted: dict[str, set[str]] = {task: set() for task in cell.stream}
        for stage, learned in self._learned(cell, variant):
            seconds += noted(stage.run / _SECONDS, 0.0)
            parameters = learned.policy.num_parameters
            trials = by_stage[stage.number + 1]
            acting = {
                task: variant.method.acting(learned, stage, task)
                for task in dict.fromkeys(trial.task for trial in trials)
            }
            for task in stage.stream[: stage.number + 1]:
                acted[task].add(acting[task].fingerprint)
            outcomes += self._played(acting, stage.folder, trials)
        steps = self._shared.request.steps * len(cell.stream)
        samples = steps * self._shared.request.batch_size
        cost = Cost(
            steps=steps, samples=samples, parameters=parameters, seconds=seconds
        )
        unchanged = all(len(policies) == 1 for policies in acted.values())
        return Done(outcomes, cost=cost, measured={"unchanged": unchanged})

    def _learned(
        self, cell: StreamCell, variant: Variant
    ) -> Iterator[tuple[Stage, TrainedPolicy]]:
        """Stages of a cell after which trials are played, each with its policy."""
        first, before = self._stage(cell, variant), None
        numbers = range(len(cell.stream))
        for number in numbers[-1:] if variant.method.at_once else numbers:
            stage = replace(first, number=number)
            elapsed, begun = elapsed_in(stage.run), time.monotonic()
            with quiet():
                before = variant.method.learn(stage, before)
            noted(stage.run / _SECONDS, elapsed + time.monotonic() - begun)
            yield stage, before

    def _stage(self, cell: StreamCell, variant: Variant) -> Stage:
        """The first stage of a cell."""
        if self._data is None:
            self._data = demonstrations_of(self._shared)
        return Stage(
            stream=cell.stream,
            number=0,
            data=self._data,
            folder=cell.run(self._shared.runs),
            policy=variant.policy,
            policy_config=variant.policy_config,
            conditioning=variant.conditioning,
            training=replace(variant.training, seed=cell.seed),
            normaliser=variant.normaliser,
        )

    def _played(
        self, acting: Mapping[str, TrainedPolicy], folder: Path, trials: list[Trial]
    ) -> list[Outcome]:
        """Outcomes of the trials after a stage.

        A policy that has not changed since it acted on a task is not played again:
        outcomes depend on trial and policy alone. Saved outcomes of other trials, from an
        interrupted call with other settings, are replaced.

        Args:
            acting: Policy that acts on each task, by task.
            folder: Folder in which the outcomes are saved.
            trials: Trials, grouped by task.
        """
        suite, outcomes = self._shared.suite, list[Outcome]()
        for task, group in groupby(trials, lambda trial: trial.task):
            some = list(group)
            name = f"{acting[task].fingerprint[:16]}-{file_name(task)}.json"
            path = folder / "outcomes" / name
            # All that outcomes depend on besides the policy.
            hashed = digest_of_value([suite_identity(suite), some])
            if not path.exists() or read_json(path, _Played).trials not in ("", hashed):
                played = play_trials(acting[task], suite, some, self._envs)
                with locked(path.parent):
                    plain = [asdict(each) for each in played]
                    write_json(path, {"trials": hashed, "outcomes": plain})
            outcomes += read_outcomes(path, len(some))
        return outcomes


def read_outcomes(path: Path, trials: int) -> list[Outcome]:
    """Outcomes of a task's trials after a stage, read from their file.

    Args:
        path: File of the outcomes.
        trials: Number of trials.

    Raises:
        InputError: If the file is damaged, or has another number of outcomes.
    """
    outcomes = read_json(path, _Played).outcomes
    if len(outcomes) != trials:
        raise InputError(
            f"{path} has {len(outcomes)} outcomes in place of {trials}; remove it, and"
            " the trials are played again."
        )
    return outcomes


def _by_stage(cell: StreamCell) -> dict[int, list[Trial]]:
    """Trials of a cell by number of completed stages."""
    pairs = zip(cell.learned, cell.trials, strict=True)
    return {
        learned: [trial for _, trial in some]
        for learned, some in groupby(pairs, lambda pair: pair[0])
    }


def demonstrations_of(shared: Shared) -> Demonstrations:
    """Demonstrations that all cells learn from: the first ones of each task."""
    return Demonstrations(shared.data).select(
        [*dict.fromkeys(shared.stream)], shared.request.demonstrations
    )
