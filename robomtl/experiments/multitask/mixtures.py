"""The mixtures that arms have learned: how often each task is drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from robomtl.experiments import report, sections
from robomtl.experiments.multitask.arm_cells import ArmCell
from robomtl.pages.matrix import Entry, matrix_of
from robomtl.training.learned_mixture import read_mixture

Mixtures = Mapping[str, Mapping[int, Mapping[str, float]]]
"""By label, number of demonstrations and task, how many times as often the task is drawn as
without the mixture, in the mean over seeds; of arms that learned one."""


def mixtures_of(cells: Sequence[ArmCell], runs: Path) -> Mixtures:
    """The mixtures in the run directories of some cells.

    Args:
        cells: Each has trained a policy.
        runs: Folder of the run directories.

    Raises:
        InputError: If a file is damaged.
    """
    found: dict[str, dict[int, dict[str, list[float]]]] = {}
    for cell in cells:
        mixture = read_mixture(cell.run(runs))
        for task, factor in (mixture.factors if mixture else {}).items():
            tasks = found.setdefault(cell.arm, {}).setdefault(cell.demonstrations, {})
            tasks.setdefault(task, []).append(factor)
    return {
        label: {
            count: {task: round(fmean(some), 6) for task, some in tasks.items()}
            for count, tasks in sorted(counts.items())
        }
        for label, counts in found.items()
    }


def mixture_section(found: Mixtures) -> report.Section | None:
    """A table of what was learned; None where nothing was."""
    columns = {
        f"{label}, N = {count}": tasks
        for label, counts in found.items()
        for count, tasks in counts.items()
    }
    names = dict.fromkeys(task for tasks in columns.values() for task in tasks)
    rows = {
        task: [Entry(f"{tasks.get(task, 0):.2f}") for tasks in columns.values()]
        for task in names
    }
    return sections.section(
        "mixture",
        "Learned mixture",
        "how many times as often a task is drawn as without it; mean over seeds",
        report.Table(matrix_of("task", [*columns], rows)),
    )
