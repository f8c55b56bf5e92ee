"""Charts and tables that compare arms or methods by number of demonstrations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from robomtl.evaluation.formatting import counted, percent, span
from robomtl.experiments import report, sections
from robomtl.experiments.aggregates import Estimate
from robomtl.experiments.entries import (
    NONE,
    between,
    difference,
    estimate,
    rate,
    seconds,
)
from robomtl.experiments.findings import Difference, Success, TaskSuccess, Took
from robomtl.pages.lines import Chart, Line, Point, Style, style, top_of
from robomtl.pages.matrix import Entry, Matrix
from robomtl.pages.matrix import Line as Row


@dataclass(frozen=True, kw_only=True)
class ComparisonCharts:
    """Success by label and number of demonstrations, with its charts and tables."""

    head: str
    """Noun for the labels: ``arm`` or ``method``."""
    letter: str
    """Symbol of the number of demonstrations, such as N."""
    names: Mapping[str, str]
    """Registered names by label."""
    baseline: str | None
    """Label that the others are compared with; None for none."""
    counts: Sequence[int]
    """Numbers of demonstrations, in ascending order."""
    success: Mapping[str, Mapping[int, Success]]
    """Success by label and number; a label that reads no demonstrations has 0 only."""
    tasks: Sequence[str]

    @property
    def heads(self) -> list[str]:
        """Heads of the columns for the numbers of demonstrations."""
        return [f"{self.letter} = {count}" for count in self.counts]

    @cached_property
    def styles(self) -> dict[str, Style]:
        """Line style of each label on the whole page; the baseline has the first style."""
        others = [label for label in self.names if label != self.baseline]
        return {
            label: style(others.index(label) + 1 if label in others else 0)
            for label in self.names
        }

    def named(self, tasks: Mapping[str, Sequence[int]]) -> str:
        """Names of tasks, each followed by its numbers of demonstrations."""
        return ", ".join(
            f"{task} ({self.letter} = {', '.join(map(str, counts))})"
            for task, counts in tasks.items()
        )

    def table(
        self, columns: Sequence[str], entries: Mapping[str, Sequence[Entry]]
    ) -> Matrix:
        """Table with a row for each label, noted with its registered name if different."""
        rows = [
            Row(
                name=label,
                style=self.styles[label],
                entries=some,
                note="" if self.names[label] == label else self.names[label],
            )
            for label, some in entries.items()
        ]
        return Matrix(head=self.head, columns=columns, lines=rows)

    def success_table(self, areas: Mapping[str, Estimate | None]) -> Matrix:
        """Table of mean success over tasks by number, with its area where one is known."""
        known = any(areas.values())
        entries = {
            label: [*self.by_count(some), *([estimate(areas.get(label))] * known)]
            for label, some in self.success.items()
        }
        return self.table([*self.heads, *(["nAUC"] * known)], entries)

    def task_table(self, task: str) -> Matrix:
        """Table of success in a task by number of demonstrations."""
        entries = {k: [*self.by_count(some, task)] for k, some in self.success.items()}
        return self.table(self.heads, entries)

    def by_count(
        self, some: Mapping[int, Success], task: str | None = None
    ) -> Iterator[Entry]:
        """Entries for the numbers of demonstrations; one across all if none is read."""
        if 0 in some:
            yield rate(some[0], task)._replace(columns=len(self.counts))
            return
        for count in self.counts:
            yield rate(some[count], task) if count in some else NONE

    def differences(self, some: Mapping[int, Difference]) -> list[Entry]:
        """Entries for the differences from the baseline, by number of demonstrations."""
        return [difference(some.get(count)) for count in self.counts]

    def cost_table(self, cost: Mapping[str, Mapping[int, Took]]) -> Matrix | None:
        """Table of seconds by number, steps, samples and parameters; None without any."""
        entries = {label: self._took(some) for label, some in cost.items() if some}
        heads = [*(f"s at {head}" for head in self.heads), "steps", "samples"]
        return self.table([*heads, "parameters"], entries) if entries else None

    def _took(self, some: Mapping[int, Took]) -> list[Entry]:
        times = [Entry(_time(some.get(count))) for count in self.counts]
        if 0 in some:
            times = [Entry(_time(some[0]), columns=len(self.counts))]
        names = ("steps", "samples", "parameters")
        every = ([getattr(each, name) for each in some.values()] for name in names)
        return [*times, *map(between, every)]

    @property
    def mean(self) -> str:
        """Note for numbers that are means over all tasks."""
        return f"mean over {counted(len(self.tasks), 'task')}, in per cent"

    def success_section(
        self, areas: Mapping[str, Estimate | None], across: str
    ) -> report.Section | None:
        """Mean success over tasks by number of demonstrations; None without an outcome.

        Args:
            areas: Area under the success of each label, where it is known.
            across: Description of the horizontal axis.
        """
        curve = self.chart(self.success, "demonstration", ticks=self.counts)
        note = (
            f"Horizontal axis: {across}. Lines are drawn slightly apart so that their"
            " intervals can be distinguished."
        )
        return sections.section(
            "success",
            "Success by demonstrations",
            self.mean,
            report.Curve(curve, note),
            report.Table(self.success_table(areas)),
            brief=True,
        )

    def panels(self) -> list[Chart]:
        """Charts of success against demonstrations, one per task, on the same axes."""
        charts = [
            self.chart(self.success, "demonstration", task=task, ticks=self.counts)
            for task in self.tasks
        ]
        drawn = [chart for chart in charts if chart]
        top = max((chart.top for chart in drawn), default=1.0)
        return [replace(chart, top=top) for chart in drawn]

    def chart(
        self,
        drawn: Mapping[str, Mapping[int, Success]],
        noun: str,
        *,
        task: str = "",
        ticks: Sequence[int] = (),
    ) -> Chart | None:
        """Chart of success against a count, a line per label; None without an outcome.

        Args:
            drawn: Success by label, then by count.
            noun: Singular noun for the count, such as ``demonstration``.
            task: Name of the task; empty for the mean over all tasks.
            ticks: Counts to mark on the axis besides those of the lines.
        """
        lines = []
        for label, some in drawn.items():
            every = {
                at: success.tasks.get(task) if task else mean_of_tasks(success)
                for at, success in some.items()
            }
            points = [
                point_of(at, f"{label}, {counted(at, noun)}", each)
                for at, each in every.items()
                if each
            ]
            if points:
                lines.append(Line(name=label, style=self.styles[label], points=points))
        if not lines:
            return None
        points_text = "; ".join(point.text for line in lines for point in line.points)
        of = f" in {task}" if task else ""
        return Chart(
            lines=lines,
            title=task,
            summary=f"Success{of} by {noun}s: {points_text}",
            ticks=tuple(ticks),
            top=top_of(lines),
        )


def mean_of_tasks(success: Success) -> TaskSuccess | None:
    """The mean over tasks, in the form of one task's success; None without an outcome."""
    if success.task_mean is None or success.interval is None:
        return None
    return TaskSuccess(
        success=success.task_mean,
        interval=success.interval,
        trials=success.trials,
        errors=success.errors,
    )


def point_of(at: float, where: str, success: TaskSuccess) -> Point:
    """A point of a line of success.

    Args:
        at: Position on the horizontal axis.
        where: The position in words, with the name of the line.
        success: Value on the vertical axis, with its interval.
    """
    rate, interval = percent(success.success), span(success.interval)
    return Point(
        at=at,
        rate=success.success,
        interval=success.interval,
        text=f"{where}: {rate} ({interval}), {counted(success.trials, 'trial')}",
    )


def _time(took: Took | None) -> str:
    return seconds(None if took is None else took.seconds)
