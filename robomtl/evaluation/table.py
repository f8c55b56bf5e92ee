"""Table of success per task, for the terminal."""

from rich.table import Table
from rich.text import Text

from robomtl.evaluation.formatting import counted, percent, rounded, span
from robomtl.evaluation.results import Results
from robomtl.evaluation.summary import GroupRates, Summary, TaskRates


def success_table(results: Results) -> Table:
    """Table of success per task, sorted by tier and success, with means at the bottom."""
    setting, summary = results.setting, results.summary
    made = Table(
        title=f"{setting.agent} on {setting.suite}",
        caption=f"protocol {setting.protocol}, {setting.split} variations, "
        f"{setting.instructions} instructions",
    )
    made.add_column("task")
    for name in ("success", "of", "95% interval", "at end", "steps", "errors"):
        made.add_column(name, justify="right")
    for tier in summary.tiers or ("",):
        for name, rates in summary.by_success(tier):
            # In a joint suite, tiers are suites, whose names prefix those of their tasks.
            made.add_row(name.removeprefix(f"{tier}/"), *_cells(rates))
        if tier in summary.tiers:
            rates_of_tier = summary.tiers[tier]
            title = f"{tier or 'no tier'}, {counted(rates_of_tier.tasks, 'task')}"
            made.add_row(title, *_cells(rates_of_tier), style="bold")
        made.add_section()
    _add_means(made, summary)
    return made


def _cells(rates: TaskRates | GroupRates) -> tuple[str | Text, ...]:
    return (
        percent(rates.success),
        f"{rates.successes}/{rates.trials}",
        span(rates.interval),
        percent(rates.success_at_end),
        rounded(rates.mean_steps_to_success),
        Text(str(rates.errors), "red") if rates.errors else "",
    )


def _add_means(made: Table, summary: Summary) -> None:
    made.add_row("task mean", *_cells(summary.everything), style="bold")
    if summary.tier_mean is not None:
        mean, interval = percent(summary.tier_mean), span(summary.tier_mean_interval)
        made.add_row("tier mean", mean, "", interval, style="bold")
