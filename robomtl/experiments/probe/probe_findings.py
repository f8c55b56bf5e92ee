"""Findings of a probe: success, differences and the verdict from the trials."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from robomtl.acting.actor import TaskInfo
from robomtl.conditioning import Conditioning
from robomtl.evaluation.results import Results
from robomtl.evaluation.statistics import Count
from robomtl.evaluation.summary import GroupRates, summarise
from robomtl.experiments.compare.comparison import task_differences
from robomtl.experiments.compare.pairing import tallies_of
from robomtl.experiments.paired import Tally, mean_difference_interval, total
from robomtl.experiments.probe.kinds import RIGHT, line_of, noun_of
from robomtl.experiments.probe.probe_rates import (
    Difference,
    InstructionFindings,
    KindRates,
    Rates,
    Shared,
    TaskDifferences,
)
from robomtl.experiments.probe.probe_verdict import Evidence, judged

Tallies = Mapping[str, Tally]
"""Tallies by task, in which A is the right instruction."""


def findings_of(
    results: Mapping[str, Results],
    task_infos: Mapping[str, Sequence[TaskInfo]],
    conditioning: Conditioning,
    families: Mapping[str, Sequence[str]],
    *,
    left_out: Mapping[str, str],
    margin: float,
) -> InstructionFindings:
    """The findings of the trials.

    Args:
        results: Results of the same trials, by kind.
        task_infos: Instructions of the records, by kind.
        conditioning: Conditioning of the policy.
        families: Tasks of the suite that share a scene, by name of the family.
        left_out: Reason for each kind that is left out.
        margin: See ``Verdict``.
    """
    tallies = {
        kind: tallies_of(results[RIGHT], other)
        for kind, other in results.items()
        if kind != RIGHT
    }
    played = list(results[RIGHT].tasks)
    shared = {
        family: _shared(results, tallies, tasks)
        for family, names in families.items()
        if (tasks := [name for name in names if name in played])
    }
    everything = _shared(results, tallies, played)
    among = [name for name in played if any(name in s.tasks for s in shared.values())]
    ambiguous = _shared(results, tallies, among) if among else None
    return InstructionFindings(
        setting=results[RIGHT].setting,
        conditioning=conditioning.kinds,
        kinds={
            kind: _kind(line_of(kind, conditioning), each, task_infos[kind])
            for kind, each in results.items()
        },
        differences=_by_task(everything, tallies),
        ambiguous=ambiguous,
        families=shared,
        verdict=judged(
            Evidence(
                name=results[RIGHT].setting.agent,
                noun=noun_of(conditioning),
                everything=everything,
                ambiguous=ambiguous,
                families=_family_differences(tallies, shared),
                margin=margin,
            )
        ),
        left_out=left_out,
        records={kind: each.records for kind, each in results.items()},
    )


def _by_task(
    everything: Shared, tallies: Mapping[str, Tallies]
) -> dict[str, TaskDifferences]:
    """Right minus each other kind, over all tasks and for each task."""
    return {
        kind: TaskDifferences(
            **vars(everything.differences[kind]), tasks=task_differences(of_task)
        )
        for kind, of_task in tallies.items()
        if of_task
    }


def _kind(line: str, results: Results, task_infos: Sequence[TaskInfo]) -> KindRates:
    rates = _rates(results.summary.everything)
    others = _of_others(results, task_infos)
    return KindRates(
        **vars(rates), instruction=line, tasks=results.tasks, of_others=others
    )


def _of_others(
    results: Results, task_infos: Sequence[TaskInfo]
) -> dict[str, dict[str, Count]]:
    counts: dict[str, dict[str, Count]] = {}
    for record, each in zip(results.records, task_infos, strict=True):
        solved = record.solved(results.setting.criterion)
        if each.task in (None, record.task) or solved is None:
            continue
        assert each.task is not None
        of_task = counts.setdefault(record.task, {})
        before = of_task.get(each.task, Count(0, 0))
        of_task[each.task] = Count(before.successes + solved, before.trials + 1)
    return counts


def _rates(group: GroupRates) -> Rates:
    return Rates(
        task_mean=group.success,
        interval=group.interval,
        successes=group.successes,
        trials=group.trials,
        errors=group.errors,
    )


def _shared(
    results: Mapping[str, Results],
    tallies: Mapping[str, Tallies],
    tasks: Sequence[str],
) -> Shared:
    some = {
        kind: [record for record in each.records if record.task in tasks]
        for kind, each in results.items()
    }
    criterion = results[RIGHT].setting.criterion
    tiers = dict.fromkeys(tasks, "")
    differences = {
        kind: _difference([of_task[name] for name in tasks if name in of_task])
        for kind, of_task in tallies.items()
        if any(name in of_task for name in tasks)
    }
    return Shared(
        tasks=tuple(tasks),
        kinds={
            kind: _rates(summarise(records, tiers, criterion).everything)
            for kind, records in some.items()
            if records
        },
        differences=differences,
    )


def _difference(tallies: Sequence[Tally], confidence: float = 0.95) -> Difference:
    return Difference(
        difference=fmean(tally.difference for tally in tallies),
        interval=mean_difference_interval(tallies, confidence=confidence),
        pairs=total(tallies).pairs,
    )


def _family_differences(
    tallies: Mapping[str, Tallies], families: Mapping[str, Shared]
) -> dict[str, Difference | None]:
    """Right minus shuffled in each family, with Bonferroni-corrected intervals."""
    of_task = tallies.get("shuffled", {})
    some = {
        family: [of_task[name] for name in shared.tasks if name in of_task]
        for family, shared in families.items()
    }
    confidence = 1 - 0.05 / max(1, len(families))
    return {
        k: _difference(each, confidence) if each else None for k, each in some.items()
    }
