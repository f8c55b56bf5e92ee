"""A multi-task experiment as a table for the terminal."""

from rich.table import Table

from robomtl.evaluation.figures import percent, points
from robomtl.experiments.findings import Difference, Success
from robomtl.sharing.findings import Findings


def arms_table(found: Findings) -> Table:
    """Mean success of each arm by demonstrations, with intervals and differences."""
    made = Table(
        title=f"{found.suite}: {len(found.seeds)} seeds x {found.trials} trials of"
        f" {len(found.tasks)} tasks",
        caption="\n".join(
            f"{label} {each.sentence}." for label, each in found.crossover.items()
        ),
        title_justify="left",
        caption_justify="left",
    )
    made.add_column("arm", no_wrap=True)
    for count in found.demonstrations:
        made.add_column(f"N = {count}", justify="right", no_wrap=True)
    made.add_column("worse", justify="right", no_wrap=True)
    for label, some in found.arms.items():
        differences = found.differences.get(label, {})
        cells = [
            _rate(some.get(count), differences.get(count))
            for count in found.demonstrations
        ]
        worse = str(len(found.losses[label])) if label in found.losses else ""
        made.add_row(label, *cells, worse)
    return made


def _rate(success: Success | None, difference: Difference | None) -> str:
    if success is None or success.task_mean is None or success.interval is None:
        return "–"
    ends = "–".join(f"{100 * end:.0f}" for end in success.interval)
    lines = [percent(success.task_mean), ends]
    return "\n".join([*lines, *([points(difference.difference)] if difference else [])])
