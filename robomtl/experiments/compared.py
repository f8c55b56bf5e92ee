"""Arms or methods side by side: their charts and tables, by number of demonstrations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from robomtl.evaluation.figures import counted, percent, span
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
class Compared:
    """Successes by label and number of demonstrations, and how they are shown."""

    head: str
    """What the labels are of: ``arm`` or ``method``."""
    letter: str
    """Letter that stands for the number of demonstrations."""
    names: Mapping[str, str]
    """Registered names by label."""
    baseline: str | None
    """Label of that with which the others are compared; None for none."""
    counts: Sequence[int]
    """Numbers of demonstrations, rising."""
    success: Mapping[str, Mapping[int, Success]]
    """Success by label and number; only 0 for one that reads no demonstration."""
    tasks: Sequence[str]

    @property
    def heads(self) -> list[str]:
        """Heads of the columns for the numbers of demonstrations."""
        return [f"{self.letter} = {count}" for count in self.counts]

    @cached_property
    def styles(self) -> dict[str, Style]:
        """The look of each line, the same on the whole page; the baseline has the first."""
        others = [label for label in self.names if label != self.baseline]
        return {
            label: style(others.index(label) + 1 if label in others else 0)
            for label in self.names
        }

    def named(self, tasks: Mapping[str, Sequence[int]]) -> str:
        """Tasks in words, each with the numbers of demonstrations that it has."""
        return ", ".join(
            f"{task} ({self.letter} = {', '.join(map(str, counts))})"
            for task, counts in tasks.items()
        )

    def table(
        self, columns: Sequence[str], entries: Mapping[str, Sequence[Entry]]
    ) -> Matrix:
        """A row for each label, with its name where that is another."""
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
        """Mean success over tasks by number, and the area under it where one is known."""
        known = any(areas.values())
        entries = {
            label: [*self.by_count(some), *([estimate(areas.get(label))] * known)]
            for label, some in self.success.items()
        }
        return self.table([*self.heads, *(["nAUC"] * known)], entries)

    def task_table(self, task: str) -> Matrix:
        """Success in a task by number."""
        entries = {k: [*self.by_count(some, task)] for k, some in self.success.items()}
        return self.table(self.heads, entries)

    def by_count(
        self, some: Mapping[int, Success], task: str | None = None
    ) -> Iterator[Entry]:
        """Fields for the numbers of demonstrations; one for all where none is read."""
        if 0 in some:
            yield rate(some[0], task)._replace(columns=len(self.counts))
            return
        for count in self.counts:
            yield rate(some[count], task) if count in some else NONE

    def differences(self, some: Mapping[int, Difference]) -> list[Entry]:
        """Fields for the differences to the baseline by number."""
        return [difference(some.get(count)) for count in self.counts]

    def cost_table(self, cost: Mapping[str, Mapping[int, Took]]) -> Matrix | None:
        """Seconds by number, gradient steps, samples and parameters; None without any."""
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
        """A phrase on numbers over all tasks."""
        return f"mean over {counted(len(self.tasks), 'task')}, in per cent"

    def success_section(
        self, areas: Mapping[str, Estimate | None], across: str
    ) -> report.Section | None:
        """Mean success over tasks by number of demonstrations; None without an outcome.

        Args:
            areas: The area under success of each label, where it is known.
            across: What the horizontal axis shows.
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
        """Success in each task against demonstrations, on the same axes."""
        charts = [
            self.chart(self.success, "demonstration", task=task, ticks=self.counts)
            for task in self.tasks
        ]
        there = [chart for chart in charts if chart]
        top = max((chart.top for chart in there), default=1.0)
        return [replace(chart, top=top) for chart in there]

    def chart(
        self,
        drawn: Mapping[str, Mapping[int, Success]],
        noun: str,
        *,
        task: str = "",
        ticks: Sequence[int] = (),
    ) -> Chart | None:
        """Lines of success against a number of things; None if there is nothing to draw.

        Args:
            drawn: By label, then by number.
            noun: What is counted, in the singular.
            task: The task that is drawn; empty for the mean over all.
            ticks: Numbers to have on the axis besides those of the lines.
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
    """The mean over tasks as if of one; None without an outcome."""
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
        at: On the horizontal axis.
        where: The same in words, with the name of the line.
        success: On the vertical axis.
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
