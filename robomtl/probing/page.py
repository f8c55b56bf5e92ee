"""The page of a probe: self-contained, for any screen, without network."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from robomtl.evaluation import figures
from robomtl.evaluation.grid import KINDS as OUTCOMES
from robomtl.evaluation.grid import trial_cells
from robomtl.evaluation.records import Record
from robomtl.evaluation.report import machine
from robomtl.pages.cells import Block, Grid, Row
from robomtl.pages.reach import reach_of
from robomtl.pages.rendering import rendered
from robomtl.probing.findings import Difference, Findings, Rates
from robomtl.probing.kinds import RIGHT, SHUFFLED

Pairs = list[tuple[str, str]]


class _Group(NamedTuple):
    """Tasks whose rates stand together."""

    title: str
    note: str
    kinds: Mapping[str, Rates]


class _Forest(NamedTuple):
    """Differences over the same tasks, that which decides at the top."""

    title: str
    differences: list[tuple[str, Difference]]


def page(found: Findings) -> str:
    """The page as HTML."""
    forests = _forests(found)
    intervals = [d.interval for forest in forests for _, d in forest.differences]
    return rendered(
        "robomtl.probing",
        "report.html",
        found=found,
        setting=found.setting,
        told_by=" and ".join(found.conditioning).replace("_", "-"),
        lead=_lead(found),
        right=_headline(found).get(RIGHT),
        shuffled=_headline(found).get(SHUFFLED),
        trials=sum(rates.trials for rates in found.kinds.values()),
        errors=sum(rates.errors for rates in found.kinds.values()),
        groups=_groups(found),
        others=_others(found),
        forests=forests,
        reach=reach_of(intervals),
        grid=_grid(found),
        conditions=_conditions(found),
        machine=machine(found.setting),
    )


def _headline(found: Findings) -> Mapping[str, Rates]:
    """Over the tasks that the verdict is about."""
    return found.kinds if found.ambiguous is None else found.ambiguous.kinds


def _lead(found: Findings) -> Difference | None:
    shared = found.ambiguous
    differences = found.differences if shared is None else shared.differences
    return differences.get(SHUFFLED)


def _groups(found: Findings) -> list[_Group]:
    """All tasks, then those that share scenes, then each family; none twice."""
    played = tuple(found.kinds[RIGHT].tasks)
    made = [_Group("All tasks", figures.counted(len(played), "task"), found.kinds)]
    seen = {played}
    shared = {} if found.ambiguous is None else {"Shared scenes": found.ambiguous}
    for title, each in {**shared, **found.families}.items():
        if each.tasks not in seen:
            number = figures.counted(len(each.tasks), "task")
            note = ", ".join(each.tasks) if title in found.families else number
            made.append(_Group(title, note, each.kinds))
        seen.add(each.tasks)
    return made


def _forests(found: Findings) -> list[_Forest]:
    made = [_Forest("All tasks", _first(found.differences))]
    shared = found.ambiguous
    if shared is not None and shared.tasks != tuple(found.kinds[RIGHT].tasks):
        made.insert(0, _Forest("Tasks that share scenes", _first(shared.differences)))
    return [forest for forest in made if forest.differences]


def _first(differences: Mapping[str, Difference]) -> list[tuple[str, Difference]]:
    return sorted(differences.items(), key=lambda item: item[0] != SHUFFLED)


def _others(found: Findings) -> Pairs:
    """How each task went when another was told, in words, by kind."""
    rows: dict[str, list[str]] = {}
    for kind, rates in found.kinds.items():
        for task, counts in rates.of_others.items():
            each = [f"{name} {n.successes}/{n.trials}" for name, n in counts.items()]
            rows.setdefault(task, []).append(f"{kind}: {', '.join(each)}")
    return [(task, "; ".join(phrases)) for task, phrases in rows.items()]


def _grid(found: Findings) -> Grid:
    """A row for each kind in each task that shares a scene; in all, if none does."""
    shared = found.ambiguous
    tasks = list(found.kinds[RIGHT].tasks) if shared is None else shared.tasks
    blocks = []
    for task in tasks:
        by_kind = {
            kind: [record for record in records if record.task == task]
            for kind, records in found.records.items()
        }
        rows = [_row(task, kind, some) for kind, some in by_kind.items() if some]
        blocks.append(Block(title=task, rows=rows))
    return Grid(kinds=OUTCOMES, blocks=blocks)


def _row(task: str, kind: str, records: list[Record]) -> Row:
    cells = [
        replace(cell, details={"Task": task, **cell.details})
        for cell in trial_cells(records, {})
    ]
    solved = sum(bool(record.success) for record in records)
    ended = sum(record.error is None for record in records)
    return Row(name=kind, note=f"{solved}/{ended}", cells=cells)


def _conditions(found: Findings) -> Pairs:
    setting = found.setting
    ends = "the first success" if setting.until == "success" else "their horizon"
    return [
        ("Suite", setting.suite),
        *((name, str(value)) for name, value in setting.options.items()),
        ("Told by", " and ".join(found.conditioning)),
        ("Variations", f"{setting.split}, {setting.episodes} of each task"),
        ("Trials of a variation", str(setting.repeats)),
        ("Trials end at", ends),
        ("Margin", f"{100 * found.verdict.margin:g} points"),
        ("Seed of shuffling", str(setting.seed)),
    ]
