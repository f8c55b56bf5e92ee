"""The results of an evaluation, in memory and on disk."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.evaluation.records import Record, read_records, write_records
from robomtl.evaluation.rollout import Criterion, Until
from robomtl.evaluation.summary import GroupRates, Summary, TaskRates, summarise
from robomtl.files.durable import write_json
from robomtl.files.folder_kinds import holding
from robomtl.files.paths import located
from robomtl.files.untrusted import converted, read_json

RESULTS = "results.json"
TRIALS = "trials.parquet"
_FORMAT = 1  # Of results.json; raised when the meaning of a field changes.


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The setting of an evaluation: agent, suite, conditions and machine."""

    agent: str
    """Name of the agent."""
    fingerprint: str
    """Hash of everything its actions depend on."""
    conditioning: tuple[str, ...] | None = None
    """Kinds of conditioning of the policy; None where the agent does not say."""
    acting: Mapping[str, Any] = field(default_factory=dict)
    """Actor settings of the policy that differ from the defaults, its history among them;
    empty for one that reads the present and executes whole chunks."""
    protocol: str
    """Name of the protocol of which every part was kept; ``custom`` for none, with what
    differs from the nearest. See ``PROTOCOLS``."""
    suite: str
    options: Mapping[str, Any]
    """Options with which the suite was built."""
    split: str
    """Which variations."""
    episodes: int
    """Variations of each task."""
    repeats: int
    """Trials of each variation."""
    instructions: str
    """Kind of instructions, or the file they were read from."""
    until: Until
    """Whether trials went to the horizon or stopped at success."""
    criterion: Criterion
    """When a trial counts as solved."""
    definition: Mapping[str, Any] | None = None
    """What the suite is made of, where it says so; see ``robomtl.definition``."""
    horizon: int | None
    """Actions after which a trial ended; None if no trial was seen to end there."""
    seed: int
    """Decides whose instruction a task gets when they are shuffled."""
    workers: int
    """Processes of the last session."""
    processor: str
    """Processor; several, joined by ``;``, if sessions ran on several."""
    versions: Mapping[str, str]
    commit: str | None
    """Git commit robomtl ran from, see ``versions``; None if installed."""
    seconds: float
    """Wall time, over all sessions [s]."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Every trial of an evaluation, and the rates that follow from them."""

    setting: Setting
    records: tuple[Record, ...]
    """A row for each trial, in the order of the plan."""
    task_tiers: Mapping[str, str]
    """The tier of each task, empty for none."""

    @cached_property
    def summary(self) -> Summary:
        """All rates."""
        return summarise(self.records, self.task_tiers, self.setting.criterion)

    @property
    def task_mean(self) -> float | None:
        """Mean success of the tasks; None if no trial has an outcome."""
        return self.summary.everything.success

    @property
    def tier_mean(self) -> float | None:
        """Mean over tiers of the mean over their tasks; None without tiers."""
        return self.summary.tier_mean

    @property
    def tasks(self) -> Mapping[str, TaskRates]:
        """Rates of each task, by name."""
        return self.summary.tasks

    @property
    def tiers(self) -> Mapping[str, GroupRates]:
        """Rates of each tier, easiest first."""
        return self.summary.tiers

    def write(self, folder: Path) -> None:
        """Writes ``trials.parquet``, then ``results.json``; each is whole or absent."""
        write_records(folder / TRIALS, self.records)
        rates, setting = _rates(self.summary), asdict(self.setting)
        if not self.setting.acting:
            del setting["acting"]  # As in results of earlier versions.
        write_json(folder / RESULTS, {"format": _FORMAT, **rates, **setting})

    @classmethod
    @checked
    def read(cls, folder: Path | str) -> "Results":
        """The results in a folder that ``write`` wrote to.

        Raises:
            ValueError: If a file is missing, broken or of another format, or if
                ``results.json`` says otherwise than the trials.
        """
        path = located(folder) / RESULTS
        data = _read(path)
        records = read_records(path.with_name(TRIALS))
        setting = converted(data, Setting, where=str(path))
        tiers = _task_tiers(path, data, records)
        results = cls(setting=setting, records=records, task_tiers=tiers)
        computed = json.loads(json.dumps(_rates(results.summary)))
        _check_equal(path, "", computed, {name: data.get(name) for name in computed})
        return results


@dataclass(frozen=True, kw_only=True)
class _Tiered:
    """The rates of a task, but for what follows from its trials."""

    tier: str


def _rates(summary: Summary) -> dict[str, Any]:
    """The rates as ``results.json`` has them: the means at the top."""
    overall = asdict(summary.everything)
    del overall["tasks"]
    return {
        "task_mean": overall.pop("success"),
        "task_mean_interval": overall.pop("interval"),
        "tier_mean": summary.tier_mean,
        "tier_mean_interval": summary.tier_mean_interval,
        **overall,
        "tiers": {name: asdict(rates) for name, rates in summary.tiers.items()},
        "tasks": {name: asdict(rates) for name, rates in summary.tasks.items()},
    }


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        there = holding(path.parent)
        raise InputError(
            f"There is no {path}; has the evaluation finished?"
            f"{f' The folder {there}.' if there else ''}"
        )
    data = read_json(path, dict[str, Any])
    if data.get("format") != _FORMAT:
        raise InputError(f"{path} is of no format this version reads ({_FORMAT}).")
    if "kind" in data:
        raise InputError(f"{path} is of a {data['kind']}, of no evaluation.")
    return data


def _task_tiers(
    path: Path, data: Mapping[str, Any], records: Sequence[Record]
) -> dict[str, str]:
    said = converted(data.get("tasks"), dict[str, _Tiered], where=f"{path}, tasks")
    names = {record.task for record in records}
    if {*said} != names:
        raise InputError(
            f"{path} has other tasks than the trials beside it; those are of"
            f" {', '.join(sorted(names))}."
        )
    return {name: rates.tier for name, rates in said.items()}


def _check_equal(path: Path, name: str, computed: Any, said: Any) -> None:
    """Refuses numbers that do not follow from the trials; the last bits may differ."""
    if isinstance(computed, dict) and isinstance(said, dict):
        for key in {**computed, **said}:
            _check_equal(path, f"{name}.{key}", computed.get(key), said.get(key))
    elif isinstance(computed, list) and isinstance(said, list):
        for place, pair in enumerate(zip_longest(computed, said)):
            _check_equal(path, f"{name}.{place}", *pair)
    elif not _same(computed, said):
        raise InputError(
            f"{path} says {name.lstrip('.')} is {said!r}, but the trials beside it give"
            f" {computed!r}; was it edited?"
        )


def _same(computed: Any, said: Any) -> bool:
    if isinstance(computed, float) and isinstance(said, float):
        return math.isclose(computed, said, rel_tol=1e-9, abs_tol=1e-12)
    return bool(computed == said)
