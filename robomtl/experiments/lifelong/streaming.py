"""A cell of a lifelong experiment: a stream is learned task by task, and played."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import torch

from robomtl.checkpoint import TrainedPolicy
from robomtl.continual.stage import Stage
from robomtl.cost import Cost
from robomtl.demonstrations import Demonstrations
from robomtl.durable import write_json
from robomtl.evaluation.journal import Done
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.work import KeptEnvs
from robomtl.experiments.lifelong.lifelong_design import Asked, StreamCell
from robomtl.experiments.lifelong.variants import Variant
from robomtl.experiments.multitask.learning import noted
from robomtl.experiments.playing import play_trials
from robomtl.names import file_name
from robomtl.progress import quiet
from robomtl.task import Suite, Trial
from robomtl.untrusted import read_json
from robomtl.versions import processor

_SECONDS = "seconds.json"


@dataclass(frozen=True, kw_only=True)
class Material:
    """What cells are made of, besides what they name themselves."""

    asked: Asked
    """Numbers of steps, samples and trials."""
    suite: Suite
    """Supplies the tasks."""
    stream: tuple[str, ...]
    """Names of the tasks in the given order."""
    variants: Mapping[str, Variant]
    """Methods by label."""
    data: Path
    """Demonstrations of the tasks."""
    sha256: str
    """Hash of those that are learned from."""
    runs: Path
    """Folder of the run directories."""


@dataclass(frozen=True)
class _Played:
    """What came of the trials of one task."""

    outcomes: list[Outcome]


class LearnStream:
    """Learns and plays a stream; a process keeps demonstrations and envs.

    Args:
        material: What cells are made of.
    """

    def __init__(self, material: Material) -> None:
        self._of = material
        self._envs = KeptEnvs(material.suite)
        self._data: Demonstrations | None = None

    def __call__(self, cell: StreamCell) -> Done:
        """How each trial of a cell went.

        A training that diverges has errors for outcomes, and a reason. What is finished of
        a cell that was stopped is read: run directories, and the outcomes of each policy.
        """
        torch.set_num_threads(1)  # Each worker has a core; sums depend on the number.
        variant = self._of.variants[cell.method]
        stage = self._stage(cell, variant)
        pairs = zip(cell.learned, cell.trials, strict=True)
        wanted = {
            learned: [trial for _, trial in some]
            for learned, some in groupby(pairs, lambda pair: pair[0])
        }
        outcomes, before, seconds = list[Outcome](), None, 0.0
        acted: dict[str, set[str]] = {task: set() for task in cell.stream}
        try:
            for number in range(len(cell.stream)):
                if variant.method.at_once and number + 1 not in wanted:
                    continue
                stage, begun = replace(stage, number=number), time.monotonic()
                with quiet():
                    before = variant.method.learn(stage, before)
                seconds += noted(stage.run / _SECONDS, time.monotonic() - begun)
                acting = {
                    task: variant.method.acting(before, stage, task)
                    for task in dict.fromkeys(each.task for each in wanted[number + 1])
                }
                for task in cell.stream[: number + 1]:
                    acted[task].add(acting[task].fingerprint)
                outcomes += self._played(acting, stage.folder, wanted[number + 1])
        except FloatingPointError as error:
            return Done.failed(str(error), len(cell.trials), processor())
        steps = self._of.asked.steps * len(cell.stream)
        cost = Cost(
            steps=steps,
            samples=steps * self._of.asked.batch_size,
            parameters=before.policy.num_parameters if before else 0,
            seconds=seconds,
        )
        unchanged = all(len(policies) == 1 for policies in acted.values())
        return Done(outcomes, processor(), cost, measured={"unchanged": unchanged})

    def _stage(self, cell: StreamCell, variant: Variant) -> Stage:
        """The first stage of a cell."""
        if self._data is None:
            self._data = demonstrations_of(self._of)
        return Stage(
            stream=cell.stream,
            number=0,
            data=self._data,
            folder=cell.run(self._of.runs),
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

        A policy that acted on a task before, as one that did not change since, plays its
        trials once: outcomes depend on trial and policy alone.

        Args:
            acting: Policy of each task.
            folder: Keeps the outcomes.
            trials: Task by task.
        """
        found = list[Outcome]()
        for task, some in groupby(trials, lambda trial: trial.task):
            name = f"{acting[task].fingerprint[:16]}-{file_name(task)}.json"
            path = folder / "outcomes" / name
            if not path.exists():
                played = play_trials(acting[task], self._of.suite, [*some], self._envs)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, {"outcomes": [asdict(each) for each in played]})
            found += read_json(path, _Played).outcomes
        return found


def demonstrations_of(material: Material) -> Demonstrations:
    """The demonstrations that all cells learn from: the first of each task."""
    return Demonstrations(material.data).select(
        [*dict.fromkeys(material.stream)], material.asked.demonstrations
    )
