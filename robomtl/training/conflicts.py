"""Conflict between the tasks of a run: cosines between their gradients."""

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
    """Mean cosine over pairs of different tasks."""
    negative: float
    """Fraction of the pairs with a negative cosine."""
    by_task: tuple[float, ...]
    """Mean cosine of each task with the others."""


def cosines(gramian: Tensor) -> Tensor:
    """Cosines between the tasks' gradients, 0 where one vanishes; (task, task).

    Args:
        gramian: Inner products of the gradients; (task, task).
    """
    norms = gramian.diagonal().clamp(min=0).sqrt()
    products = norms[:, None] * norms
    safe = torch.where(products > 0, products, 1.0)
    return (gramian / safe * (products > 0)).clamp(-1, 1)


def conflict(cosine: Tensor) -> Conflict:
    """Summary of the cosines between the gradients of two or more tasks.

    Args:
        cosine: Cosines; (task, task).
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
    """Matrices measured at some steps of a run, in memory until they are written.

    Args:
        path: JSON file with ``tasks``, ``steps`` and the matrices, (step, task, task).
        tasks: Names of the tasks.
        name: Name of the matrices in the file.
        step: Step from which the run resumes; matrices of later steps are dropped.
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
        """Adds the matrix measured at a step, rounded to four decimals; (task, task)."""
        self.steps.append(step)
        self.matrices.append(
            [[round(value, 4) for value in row] for row in matrix.tolist()]
        )

    def write(self) -> None:
        """Writes all matrices to the file, durably, if any were added."""
        if len(self.steps) > self._written:
            names = {"tasks": list(self._tasks), "steps": self.steps}
            write_json(self._path, {**names, self._name: self.matrices})
            self._written = len(self.steps)
