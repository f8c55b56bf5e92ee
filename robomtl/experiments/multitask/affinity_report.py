"""The section of a report on the affinity of tasks."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from markupsafe import Markup

from robomtl.experiments import report, sections
from robomtl.experiments.multitask.affinities import Affinity


def affinity_section(found: Mapping[str, Affinity]) -> report.Section | None:
    """Section with the affinity matrix of each arm; None without a measurement.

    Args:
        found: Affinities by label of the arm.
    """
    pictures = {
        label: report.Picture("affinity", partial(_squares, each))
        for label, each in found.items()
    }
    note = (
        "Rows: the task of the step, which lowers that task's loss by about 1%; columns:"
        " the task whose loss changes, in the same order. Green: the loss falls; orange: it"
        " rises. Colours saturate at the strongest effect on another task. Tasks that help"
        " each other are adjacent; the tree joins them, further right where they help"
        " less."
    )
    return sections.section(
        "affinity",
        "Affinity of tasks",
        "effect of a step on one task on the losses of the others, mean over training",
        *sections.folds(pictures),
        report.Text(note, tone="soft"),
    )


def _squares(affinity: Affinity) -> Markup:
    """Picture of the matrix, with the tree by which tasks were clustered."""
    # Matplotlib takes half a second to load, and the terminal shows no charts.
    from robomtl.pages.heat_map import heat_map

    matrix = np.array(affinity.matrix)
    others = matrix[~np.eye(len(matrix), dtype=bool)]
    texts = [
        f"A step on {one} {'lowers' if value >= 0 else 'raises'} the loss of {other} by"
        f" {100 * abs(value):.2f}%"
        for one, values in zip(affinity.tasks, matrix.tolist(), strict=True)
        for other, value in zip(affinity.tasks, values, strict=True)
    ]
    return heat_map(
        affinity.tasks,
        matrix / (float(np.abs(others).max()) or 1.0),
        texts,
        links=np.array(affinity.links),
        summary="; ".join(texts),
    )
