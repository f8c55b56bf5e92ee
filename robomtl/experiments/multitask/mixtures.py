"""Mixtures that arms have learned: the sampling frequency of each task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from robomtl.experiments import report, sections
from robomtl.experiments.multitask.arm_cells import ArmCell
from robomtl.pages.matrix import Entry, matrix_of
from robomtl.training.learned_mixture import read_mixture

Mixtures = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Factors of tasks' sampling frequencies relative to training without the mixture, by
label, number of demonstrations and task; means over seeds, for arms that learned one."""


def mixtures_of(cells: Sequence[ArmCell], runs: Path) -> Mixtures:
    """Learned mixtures from the run directories of cells.

    Args:
        cells: Cells that have trained their policies.
        runs: Folder of the run directories.

    Raises:
        InputError: If a file is damaged.
    """
    factors: dict[str, dict[int, dict[str, list[float]]]] = {}
    for cell in cells:
        mixture = read_mixture(cell.run(runs))
        for task, factor in (mixture.factors if mixture else {}).items():
            tasks = factors.setdefault(cell.arm, {}).setdefault(cell.demonstrations, {})
            tasks.setdefault(task, []).append(factor)
    return {
        label: {
            count: {task: round(fmean(some), 6) for task, some in tasks.items()}
            for count, tasks in sorted(counts.items())
        }
        for label, counts in factors.items()
    }


def mixture_section(mixtures: Mixtures) -> report.Section | None:
    """Section with a table of the learned mixtures; None without one."""
    columns = {
        f"{label}, N = {count}": tasks
        for label, counts in mixtures.items()
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
        "factor of a task's sampling frequency relative to no mixture; mean over seeds",
        report.Table(matrix_of("task", [*columns], rows)),
    )
