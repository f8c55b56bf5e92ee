"""The report of a probe."""

from collections.abc import Iterator, Mapping

from robomtl.evaluation.formatting import change, counted, percent, points, span
from robomtl.evaluation.summary import TaskRates
from robomtl.experiments import report, sections
from robomtl.experiments.entries import NONE
from robomtl.experiments.evaluation_facts import machine
from robomtl.experiments.probe.kind_grid import kind_grid
from robomtl.experiments.probe.kinds import RIGHT, SHUFFLED
from robomtl.experiments.probe.probe_rates import (
    Difference,
    InstructionFindings,
    Shared,
)
from robomtl.pages.axis_range import reach_of
from robomtl.pages.matrix import Entry, Matrix, matrix_of

SHARED = "tasks that share scenes"
_OWN = ("right", "paraphrased", "held-out")  # Kinds that name the task itself.
_COLUMNS = (
    report.Column("rate", "success"),
    report.Column("of", "trials"),
    report.Column("range", "95% interval"),
)
_POINTS = (
    report.Column("rate", "points"),
    report.Column("range", "95% interval"),
    report.Column("of", ""),
)
_FOOTER = (
    "A trial succeeds if the task is solved at any step. Bars of the second colour are"
    " success rates with another instruction or none. Intervals are 95% intervals: Wilson's"
    " for a task; for means, Wilson's with the effective sample size, tasks as strata."
    " Differences use the trials that ended without an error under both kinds; for means,"
    " tasks are the strata. They are valid for this policy on these tasks, not for other"
    " seeds of training. The suite's families define which tasks share a scene; tasks with"
    " their own scene have no wrong instruction."
)


def probe_report(findings: InstructionFindings) -> report.Report:
    """The report of the findings."""
    setting = findings.setting
    tasks = counted(len(findings.kinds[RIGHT].tasks), "task")
    conditioning = " and ".join(findings.conditioning).replace("_", "-")
    kinds = report.Config(_kinds(findings))
    return report.Report(
        title=setting.agent,
        lead=f"{setting.suite} · {tasks} · {setting.split} variations · conditioned on"
        f" {conditioning}",
        sections=[
            _verdict(findings),
            _figures(findings),
            sections.section("kinds", "Kinds", "on the same trials", kinds, brief=True),
            _differences(findings),
            *(
                _rates(name, each, findings.families)
                for name, each in _groups(findings).items()
            ),
            *_tables(findings),
            sections.section(
                "outcomes",
                "Trials",
                "one cell per trial, the same variations below each other; hover for details",
                report.Trials(kind_grid(findings)),
            ),
            sections.facts("Conditions", _conditions(findings), machine(setting)),
        ],
        footer=[_FOOTER],
    )


def _verdict(findings: InstructionFindings) -> report.Section:
    verdict = report.Text(findings.verdict.sentence, tone="strong")
    warning = report.Text("", findings.warning, "warn", id="warning")
    return report.Section(
        id="verdict",
        parts=[verdict, *([warning] if findings.warning else [])],
        alert=findings.verdict.word == "ignores",
        brief=True,
    )


def _tables(findings: InstructionFindings) -> Iterator[report.Section | None]:
    yield sections.section(
        "tasks",
        "Tasks",
        "success by kind of instruction, with 95% intervals",
        report.Table(_tasks(findings)),
        brief=True,
    )
    yield sections.section(
        "families",
        "Families",
        "right minus each kind, in percentage points, with 95% intervals",
        report.Table(_families(findings)),
        brief=True,
    )
    yield sections.section(
        "others",
        "Instructions of other tasks",
        "trials that solved the task itself",
        report.Config(_others(findings)),
        report.Text(
            "Doing another task may also solve this one: a policy instructed to pick and"
            " place also reaches the goal.",
            tone="soft",
        ),
    )


def _kinds(findings: InstructionFindings) -> report.Pairs:
    given = [(kind, rates.instruction) for kind, rates in findings.kinds.items()]
    return [*given, *((k, f"left out: {why}") for k, why in findings.left_out.items())]


def _figures(findings: InstructionFindings) -> report.Section:
    """Key figures over the tasks on which the verdict is based."""
    group = findings.ambiguous or _everything(findings)
    lead = group.differences.get(SHUFFLED)
    right, shuffled = group.kinds.get(RIGHT), group.kinds.get(SHUFFLED)
    errors = sum(rates.errors for rates in findings.kinds.values())
    trials = sum(rates.trials for rates in findings.kinds.values())
    interval = f"95% interval {span(right.interval if right else None)}"
    title = "Right minus shuffled"
    first = [sections.lead(title, lead.difference, lead.interval)] if lead else []
    return sections.figures(
        *first,
        report.Figure(
            "Right instruction",
            percent(right.task_mean if right else None),
            interval,
            "second",
        ),
        report.Figure("Shuffled", percent(shuffled.task_mean if shuffled else None)),
        sections.counts("Trials", trials, errors),
    )


def _everything(findings: InstructionFindings) -> Shared:
    tasks = tuple(findings.kinds[RIGHT].tasks)
    return Shared(tasks=tasks, kinds=findings.kinds, differences=findings.differences)


def _groups(findings: InstructionFindings) -> dict[str, Shared]:
    """All tasks, the tasks that share scenes, and each family; repeats are omitted."""
    everything = _everything(findings)
    shared = {} if findings.ambiguous is None else {SHARED: findings.ambiguous}
    groups, seen = {"All tasks": everything}, {everything.tasks}
    for name, each in {**shared, **findings.families}.items():
        if each.tasks not in seen:
            groups[name] = each
        seen.add(each.tasks)
    return groups


def _differences(findings: InstructionFindings) -> report.Section | None:
    """Right minus each kind; the tasks on which the verdict is based come first."""
    shared, groups = findings.ambiguous, {"All tasks": _everything(findings)}
    if shared is not None and shared.tasks != groups["All tasks"].tasks:
        groups = {"Tasks that share scenes": shared, **groups}
    every = [d for each in groups.values() for d in each.differences.values()]
    reach = reach_of([each.interval for each in every])
    forests = [
        _forest(each.differences, reach, title if len(groups) > 1 else "")
        for title, each in groups.items()
    ]
    return sections.section(
        "differences",
        "Differences",
        "right minus each kind, in percentage points",
        *forests,
        report.Text(
            "Full bars: the interval excludes zero. To the right: success is lower with"
            " the other instruction.",
            tone="soft",
        ),
    )


def _forest(
    differences: Mapping[str, Difference], reach: float, title: str
) -> report.Bars:
    """Bars of the differences by kind, ``shuffled`` first."""
    ordered = sorted(differences.items(), key=lambda item: item[0] != SHUFFLED)
    rows = [
        report.Bar(
            kind,
            each.difference,
            each.interval,
            [
                points(each.difference),
                change(each.interval),
                counted(each.pairs, "pair"),
            ],
        )
        for kind, each in ordered
    ]
    return report.Bars(
        "instruction", _POINTS, rows, reach=reach, forest=True, title=title
    )


def _rates(
    name: str, group: Shared, families: Mapping[str, Shared]
) -> report.Section | None:
    number = counted(len(group.tasks), "task")
    rows = [
        report.Bar(
            kind,
            each.task_mean,
            each.interval,
            [
                percent(each.task_mean),
                f"{each.successes}/{each.trials}",
                span(each.interval),
            ],
            badge=counted(each.errors, "error") if each.errors else "",
            second=kind not in _OWN,
        )
        for kind, each in group.kinds.items()
    ]
    note = ", ".join(group.tasks) if name in families else number
    bars = report.Bars("instruction", _COLUMNS, rows)
    return sections.section(f"rates of {name}", name, note, bars)


def _tasks(findings: InstructionFindings) -> Matrix:
    """Success of each task by kind of instruction, with the means in the last rows."""
    kinds = findings.kinds
    tasks = {
        task: [_entry(each.tasks.get(task)) for each in kinds.values()]
        for task in kinds[RIGHT].tasks
    }
    shared = findings.ambiguous.kinds if findings.ambiguous else {}
    means = {
        name: [
            Entry(percent(some[kind].task_mean)) if kind in some else NONE
            for kind in kinds
        ]
        for name, some in {"task mean": kinds, SHARED: shared}.items()
        if some
    }
    return matrix_of("task", list(kinds), {**tasks, **means})


def _entry(rates: TaskRates | None) -> Entry:
    return (
        NONE if rates is None else Entry(percent(rates.success), span(rates.interval))
    )


def _families(findings: InstructionFindings) -> Matrix:
    """Right minus each kind, over all tasks and by family."""
    rows = {
        name: [_change(each.differences.get(kind)) for kind in findings.differences]
        for name, each in _groups(findings).items()
    }
    return matrix_of("over", list(findings.differences), rows)


def _change(difference: Difference | None) -> Entry:
    if difference is None:
        return NONE
    return Entry(points(difference.difference), change(difference.interval))


def _others(findings: InstructionFindings) -> report.Pairs:
    """Success of each task under the instructions of other tasks, as text, by kind."""
    rows: dict[str, list[str]] = {}
    for kind, rates in findings.kinds.items():
        for task, counts in rates.of_others.items():
            each = [f"{name} {n.successes}/{n.trials}" for name, n in counts.items()]
            rows.setdefault(task, []).append(f"{kind}: {', '.join(each)}")
    return [(task, "; ".join(phrases)) for task, phrases in rows.items()]


def _conditions(findings: InstructionFindings) -> report.Pairs:
    setting = findings.setting
    ends = "the first success" if setting.until == "success" else "their horizon"
    return [
        ("Suite", setting.suite),
        *((name, str(value)) for name, value in setting.options.items()),
        ("Conditioning", " and ".join(findings.conditioning)),
        ("Variations", f"{setting.split}, {setting.episodes} of each task"),
        ("Trials of a variation", str(setting.repeats)),
        ("Trials end at", ends),
        ("Margin", f"{100 * findings.verdict.margin:g} points"),
        ("Seed of shuffling", str(setting.seed)),
    ]
