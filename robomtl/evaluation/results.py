"""Results of an evaluation, in memory and on disk."""

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
_FORMAT = 1  # Version of results.json; raised when the meaning of a field changes.


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Setting of an evaluation: agent, suite, conditions and machine."""

    agent: str
    """Name of the agent."""
    fingerprint: str
    """Hash of everything that the agent's actions depend on."""
    conditioning: tuple[str, ...] | None = None
    """Kinds of conditioning of the policy; None if the agent does not report them."""
    acting: Mapping[str, Any] = field(default_factory=dict)
    """Actor settings of the policy that differ from the defaults, including the history;
    empty for a policy without history that executes whole chunks."""
    protocol: str
    """Name of the matching protocol; ``custom`` if there is none, followed by the
    differences from the nearest. See ``PROTOCOLS``."""
    suite: str
    options: Mapping[str, Any]
    """Options with which the suite was built."""
    split: str
    """Split whose variations were played."""
    episodes: int
    """Number of variations of each task."""
    repeats: int
    """Number of trials of each variation."""
    instructions: str
    """Kind of instructions, or the file that they were read from."""
    until: Until
    """Whether trials went on to the horizon or stopped at success."""
    criterion: Criterion
    """Step at which success counts: any step, or the last."""
    definition: Mapping[str, Any] | None = None
    """Definition of the suite, such as versions of its packages; None if the suite does
    not report one. See ``robomtl.definition``."""
    horizon: int | None
    """Number of steps after which a trial ended; None if unknown."""
    seed: int
    """Seed of the permutation of ``shuffled`` instructions."""
    workers: int
    """Number of worker processes of the last session."""
    processor: str
    """Name of the processor; several are joined by ``;``."""
    versions: Mapping[str, str]
    commit: str | None
    """Git commit of robomtl; None if it was installed as a package."""
    seconds: float
    """Wall time of all sessions [s]."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """All trials of an evaluation, and their success rates."""

    setting: Setting
    records: tuple[Record, ...]
    """A row for each trial, in the order of the plan."""
    task_tiers: Mapping[str, str]
    """Tier of each task, by name of the task; empty for none."""

    @cached_property
    def summary(self) -> Summary:
        """All success rates."""
        return summarise(self.records, self.task_tiers, self.setting.criterion)

    @property
    def task_mean(self) -> float | None:
        """Mean over tasks of their success; None if no trial has an outcome."""
        return self.summary.everything.success

    @property
    def tier_mean(self) -> float | None:
        """Mean over tiers of the mean over each tier's tasks; None without tiers."""
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
        """Reads the results that ``write`` wrote into a folder.

        Raises:
            ValueError: If a file is missing, broken or has another format, or if
                ``results.json`` contradicts the trials.
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
    """Fields of a task's rates that do not follow from its trials."""

    tier: str


def _rates(summary: Summary) -> dict[str, Any]:
    """Rates in the form of ``results.json``: the means at the top."""
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
        content = holding(path.parent)
        raise InputError(
            f"There is no {path}; has the evaluation finished?"
            f"{f' The folder {content}.' if content else ''}"
        )
    data = read_json(path, dict[str, Any])
    if data.get("format") != _FORMAT:
        raise InputError(f"{path} does not have the format {_FORMAT} of this version.")
    if "kind" in data:
        raise InputError(f"{path} belongs to a {data['kind']}, not to an evaluation.")
    return data


def _task_tiers(
    path: Path, data: Mapping[str, Any], records: Sequence[Record]
) -> dict[str, str]:
    said = converted(data.get("tasks"), dict[str, _Tiered], where=f"{path}, tasks")
    names = {record.task for record in records}
    if {*said} != names:
        raise InputError(
            f"{path} has other tasks than the trials beside it, which have"
            f" {', '.join(sorted(names))}."
        )
    return {name: rates.tier for name, rates in said.items()}


def _check_equal(path: Path, name: str, computed: Any, said: Any) -> None:
    """Refuses numbers that differ from those of the trials, up to rounding."""
    if isinstance(computed, dict) and isinstance(said, dict):
        for key in {**computed, **said}:
            _check_equal(path, f"{name}.{key}", computed.get(key), said.get(key))
    elif isinstance(computed, list) and isinstance(said, list):
        for index, pair in enumerate(zip_longest(computed, said)):
            _check_equal(path, f"{name}.{index}", *pair)
    elif not _same(computed, said):
        raise InputError(
            f"{path} says {name.lstrip('.')} is {said!r}, but the trials beside it give"
            f" {computed!r}; was it edited?"
        )


def _same(computed: Any, said: Any) -> bool:
    if isinstance(computed, float) and isinstance(said, float):
        return math.isclose(computed, said, rel_tol=1e-9, abs_tol=1e-12)
    return bool(computed == said)
