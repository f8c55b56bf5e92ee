"""Measurements of a feature probe, as its journal keeps them for each cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robomtl.errors import InputError

Errors = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]
"""By task and thing: residual and total of each held-out episode."""


@dataclass(frozen=True, kw_only=True)
class FeatureMeasures:
    """Measurements of the features of a policy."""

    errors: Mapping[str, Mapping[str, Mapping[str, tuple[tuple[float, ...], ...]]]]
    """By layer, task and thing: residual and total of each held-out episode."""
    hits: Mapping[str, tuple[tuple[int, ...], ...]]
    """By kind of wording: whether a wording finds an episode; (wording, gallery)."""

    def __post_init__(self) -> None:
        """Checks that something was measured, and that sizes fit.

        Raises:
            InputError: If not.
        """
        if not self.errors or not all(self.errors.values()):
            raise InputError("errors is empty; it has at least a layer and a task.")
        tasks = (some for layer in self.errors.values() for some in layer.values())
        for pair in (each for task in tasks for each in task.values()):
            if len(pair) != 2 or not len(pair[0]) == len(pair[1]) > 0:
                raise InputError(
                    "errors does not have a residual and a total of each episode."
                )
        for rows in self.hits.values():
            if len(set(map(len, rows))) != 1 or not rows[0]:
                raise InputError("hits is not a table of wordings and galleries.")

    @property
    def outline(self) -> Any:
        """The names of what was measured; the same for runs that can be compared."""
        errors = {
            layer: {
                task: {thing: len(pair[0]) for thing, pair in things.items()}
                for task, things in tasks.items()
            }
            for layer, tasks in self.errors.items()
        }
        return errors, {kind: (len(r), len(r[0])) for kind, r in self.hits.items()}
