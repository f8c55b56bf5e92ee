"""The report of an evaluation: a self-contained page for any screen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robomtl.evaluation.formatting import counted, percent, rounded, span
from robomtl.evaluation.grid import outcome_grid
from robomtl.evaluation.instructions import KINDS
from robomtl.evaluation.panels import Panels, panels
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.evaluation.summary import GroupRates, Summary, TaskRates
from robomtl.evaluation.time_to_success import curves_of
from robomtl.evaluation.video_clips import clips
from robomtl.experiments import report, sections
from robomtl.experiments.evaluation_facts import conditions, counting, machine
from robomtl.files.durable import write_text
from robomtl.pages.flat import flat
from robomtl.pages.rendering import report_page
from robomtl.pages.trial_cells import Clip
from robomtl.task import Trial

_COLUMNS = (
    report.Column("rate", "success"),
    report.Column("of", "trials"),
    report.Column("range", "95% interval"),
    report.Column("end", "at end"),
    report.Column("steps", "steps"),
)


def write_report(
    path: Path,
    results: Results,
    *,
    provenance: Mapping[str, Any] | None = None,
    videos: Mapping[Trial, Path] | None = None,
) -> None:
    """Writes the page of an evaluation, durably.

    Args:
        path: File of the page.
        results: Results to show.
        provenance: Origin of the agent as plain data, nested to any depth.
        videos: Video files by trial. They are embedded in the given order up to a size
            budget; the page links to the others, which must stay beside it.

    Raises:
        FileNotFoundError: If a video is missing.
    """
    embedded = clips(videos or {}, path.parent)
    shown = evaluation_report(results, provenance=provenance, videos=embedded)
    write_text(path, report_page(shown))


def evaluation_report(
    results: Results,
    *,
    provenance: Mapping[str, Any] | None = None,
    videos: Mapping[Trial, Clip] | None = None,
) -> report.Report:
    """The report of the results, in sections; see ``write_report``.

    The videos are those of ``clips``.
    """
    setting, summary = results.setting, results.summary
    tiers = summary.tiers or {"": summary.everything}
    means = [_bar(name or "no tier", each) for name, each in summary.tiers.items()]
    failures, footer = _failures(results.records), counting(setting)
    facts = conditions(setting), machine(setting)
    grid, curves = outcome_grid(results, videos or {}), curves_of(results)
    charts = panels(curves, setting.horizon) if curves else None
    lead, kind = counted(summary.everything.tasks, "task"), setting.instructions
    note = "one cell per trial, in the order of the variations; hover for details"
    settings = dict(flat(provenance or {}))
    return report.Report(
        title=f"{setting.agent} on {setting.suite}",
        head=setting.agent,
        lead=f"{setting.suite} · {lead} · {setting.split} variations ·"
        f" conditioned on {KINDS.get(kind, f'wordings from {kind}')}",
        sections=[
            _figures(summary),
            failures,
            sections.section("videos", "Videos", "in real time", report.Videos(grid))
            if grid.featured
            else None,
            sections.section(
                "tiers",
                "Tiers",
                "means over their tasks",
                report.Bars("tier", _COLUMNS, means if len(means) > 1 else []),
            ),
            *(_tasks(summary, tier, each) for tier, each in tiers.items()),
            _steps(charts) if charts else None,
            sections.section("outcomes", "Trials", note, report.Trials(grid)),
            sections.facts("Conditions", *facts),
            sections.folded("config", "Configuration", settings) if settings else None,
        ],
        footer=[footer],
    )


def _figures(summary: Summary) -> report.Section:
    all_, interval = summary.everything, summary.tier_mean_interval
    tier = report.Figure(
        "Tier mean",
        percent(summary.tier_mean),
        f"95% interval {span(interval)}",
        "second",
    )
    mean = f"95% interval {span(all_.interval)}"
    at_end = report.Figure("At the last step", percent(all_.success_at_end))
    return sections.figures(
        report.Figure("Task mean", percent(all_.success), mean, "main"),
        *([tier] if summary.tiers else []),
        *([at_end] if all_.success_at_end is not None else []),
        report.Figure("Steps to success", rounded(all_.mean_steps_to_success)),
        sections.counts("Trials", all_.trials, all_.errors),
    )


def _tasks(summary: Summary, tier: str, rates: GroupRates) -> report.Section:
    """Section with the mean of a tier and a bar for each of its tasks."""
    bars = [_bar(name, each) for name, each in summary.by_success(tier)]
    return report.Section(
        id=f"tasks {tier}".strip(),
        title=(tier or "All tasks").capitalize(),
        note=counted(rates.tasks, "task"),
        mean=percent(rates.success),
        parts=[report.Bars("task", _COLUMNS, bars)],
    )


def _bar(name: str, rates: TaskRates | GroupRates) -> report.Bar:
    texts = [
        percent(rates.success),
        f"{rates.successes}/{rates.trials}",
        span(rates.interval),
        percent(rates.success_at_end),
        rounded(rates.mean_steps_to_success),
    ]
    badge = counted(rates.errors, "error") if rates.errors else ""
    return report.Bar(name, rates.success, rates.interval, texts, badge)


def _steps(panels: Panels) -> report.Section:
    dashed = "Dashed: all tasks. " if len(panels.curves) > 1 else ""
    note = (
        f"Horizontal axis: steps. {dashed}Tasks have equal weight, errors are left out."
        f" {panels.unsolved}"
    )
    return report.Section(
        id="curves",
        title="Time to success",
        note="fraction of trials solved by each step, in per cent",
        parts=[report.Steps(panels), report.Text(note, tone="soft")],
    )


def _failures(records: tuple[Record, ...]) -> report.Section | None:
    """Section of the errors and their tasks, the most frequent first; None without any."""
    by_reason: dict[str, list[str]] = {}
    for record in records:
        if record.error is not None:
            by_reason.setdefault(record.error, []).append(record.task)
    rows = [
        (", ".join(dict.fromkeys(tasks)), reason, len(tasks))
        for reason, tasks in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    ]
    return sections.failures(rows, "trial", "without an outcome")
