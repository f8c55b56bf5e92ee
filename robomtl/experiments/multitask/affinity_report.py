"""The section of a report on the affinity of tasks."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from markupsafe import Markup

from robomtl.experiments import report, sections
from robomtl.experiments.multitask.affinities import Affinity


def affinity_section(found: Mapping[str, Affinity]) -> report.Section | None:
    """How tasks affect one another, by label of the arm; None without a measurement."""
    pictures = {
        label: report.Picture("affinity", partial(_squares, each))
        for label, each in found.items()
    }
    note = (
        "Rows: the task stepped on, by a step that takes about 1% off its own loss;"
        " columns: the same tasks in the same order. Green takes away from the loss,"
        " orange adds to it; own effects on the diagonal are drawn no stronger than the"
        " strongest of the others. Tasks that help each other are adjacent; the tree joins"
        " them, further right where they help less."
    )
    return sections.section(
        "affinity",
        "Affinity of tasks",
        "effect of a step on one task on the losses of the others, mean over training",
        *sections.folds(pictures),
        report.Text(note, tone="soft"),
    )


def _squares(found: Affinity) -> Markup:
    """The matrix, with the tree by which tasks were clustered."""
    # Drawing takes half a second to load, and the terminal does without.
    from robomtl.pages.heat_map import heat_map

    matrix = np.array(found.matrix)
    others = matrix[~np.eye(len(matrix), dtype=bool)]
    texts = [
        f"A step on {one} {'takes away' if value >= 0 else 'adds'}"
        f" {100 * abs(value):.2f}% of the loss of {other}"
        for one, values in zip(found.tasks, matrix.tolist(), strict=True)
        for other, value in zip(found.tasks, values, strict=True)
    ]
    return heat_map(
        found.tasks,
        matrix / (float(np.abs(others).max()) or 1.0),
        texts,
        links=np.array(found.links),
        summary="; ".join(texts),
    )
