"""Measurements of one cell of a feature probe, in the form that its journal saves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robomtl.errors import InputError

Errors = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
"""Residual and total sums of squares of each held-out episode, by task and body."""


@dataclass(frozen=True, kw_only=True)
class FeatureMeasures:
    """Measurements of the features of a policy."""

    errors: Mapping[str, Mapping[str, Mapping[str, tuple[tuple[float, ...], ...]]]]
    """Residual and total sums of squares of each held-out episode, by layer, task and
    body."""
    hits: Mapping[str, tuple[tuple[int, ...], ...]]
    """1 where a wording retrieves an episode of its task, else 0, by kind of wording; each
    is (wording, gallery)."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If ``errors`` is empty, or sizes do not match.
        """
        if not self.errors or not all(self.errors.values()):
            raise InputError("errors is empty; it needs at least one layer and task.")
        tasks = (some for layer in self.errors.values() for some in layer.values())
        for pair in (each for task in tasks for each in task.values()):
            if len(pair) != 2 or not len(pair[0]) == len(pair[1]) > 0:
                raise InputError(
                    "errors lacks a residual and a total for each episode."
                )
        for rows in self.hits.values():
            if len(set(map(len, rows))) != 1 or not rows[0]:
                raise InputError("hits is not a table of wordings and galleries.")

    @property
    def outline(self) -> Any:
        """Names and sizes of the measurements; equal for runs that can be compared."""
        errors = {
            layer: {
                task: {thing: len(pair[0]) for thing, pair in things.items()}
                for task, things in tasks.items()
            }
            for layer, tasks in self.errors.items()
        }
        return errors, {kind: (len(r), len(r[0])) for kind, r in self.hits.items()}
