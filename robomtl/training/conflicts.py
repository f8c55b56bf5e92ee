"""How far the tasks of a run pull its weights apart: cosines between their gradients."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robomtl.errors import InputError
from robomtl.files.durable import write_json
from robomtl.files.untrusted import converted, read_json

_Matrix = list[list[float]]


class Conflict(NamedTuple):
    """Summary of the cosines between the gradients of tasks."""

    mean: float
    """Mean cosine of two different tasks."""
    negative: float
    """Fraction of the pairs whose cosine is below 0."""
    by_task: tuple[float, ...]
    """Mean cosine of each task with the others."""


def cosines(gramian: Tensor) -> Tensor:
    """Cosines between gradients, 0 where one vanishes; (task, task).

    Args:
        gramian: Their inner products; (task, task).
    """
    norms = gramian.diagonal().clamp(min=0).sqrt()
    products = norms[:, None] * norms
    safe = torch.where(products > 0, products, 1.0)
    return (gramian / safe * (products > 0)).clamp(-1, 1)


def conflict(cosine: Tensor) -> Conflict:
    """A summary of the cosines of two tasks or more.

    Args:
        cosine: (task, task).
    """
    size = len(cosine)
    others = ~torch.eye(size, dtype=torch.bool, device=cosine.device)
    pairs = cosine[others].view(size, size - 1)
    return Conflict(
        mean=pairs.mean().item(),
        negative=(pairs < 0).float().mean().item(),
        by_task=tuple(pairs.mean(1).tolist()),
    )


class History:
    """Matrices that a run measures at some steps, in memory until written.

    Args:
        path: JSON file of ``tasks``, ``steps``, and what was measured, (step, task, task).
        tasks: Names of the tasks.
        name: What is measured, in the file.
        step: From which the run goes on; what was measured later is measured again.
    """

    def __init__(
        self, path: Path, tasks: Sequence[str], *, name: str, step: int
    ) -> None:
        self._path, self._tasks, self._name = path, tasks, name
        known = read_json(path, dict[str, list[Any]]) if path.exists() else {}
        steps = converted(known.get("steps", []), list[int], where=f"{path}, steps")
        matrices = converted(
            known.get(name, []), list[_Matrix], where=f"{path}, {name}"
        )
        size = {len(tasks)}
        square = all({len(rows), *map(len, rows)} == size for rows in matrices)
        if len(steps) != len(matrices) or not square:
            raise InputError(
                f"{path} is damaged: {name} is not a matrix of {len(tasks)} x"
                f" {len(tasks)} numbers for each of its steps."
            )
        before = sum(each <= step for each in steps)
        self.steps, self.matrices = steps[:before], matrices[:before]
        self._written = before

    def add(self, step: int, matrix: Tensor) -> None:
        """Keeps what was measured at a step; (task, task)."""
        self.steps.append(step)
        self.matrices.append(
            [[round(value, 4) for value in row] for row in matrix.tolist()]
        )

    def write(self) -> None:
        """Writes what was added since, durably."""
        if len(self.steps) > self._written:
            found = {"tasks": list(self._tasks), "steps": self.steps}
            write_json(self._path, {**found, self._name: self.matrices})
            self._written = len(self.steps)
