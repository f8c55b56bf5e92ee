"""Alterations of a MuJoCo model for an episode, which shifts make."""

from collections.abc import Callable
from typing import Any

ALTERABLE = (
    "geom_friction",
    "body_mass",
    "body_inertia",
    "body_subtreemass",
    "body_invweight0",
    "dof_invweight0",
)
"""Arrays of a model that may be altered."""


class Alterations:
    """Alters the model of a single env, and restores it.

    Args:
        model: MuJoCo's model, as compiled.
        data: MuJoCo's data of the model.
    """

    def __init__(self, model: Any, data: Any) -> None:
        self._model, self._data = model, data
        arrays = {name: getattr(model, name) for name in ALTERABLE}
        self._compiled = {name: array.copy() for name, array in arrays.items()}
        self._altered = False

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model until ``restore``."""
        import mujoco  # Listing suites does not need it.

        change(self._model)
        self._altered = True
        mujoco.mj_forward(self._model, self._data)

    def restore(self) -> None:
        """Undoes all alterations."""
        if self._altered:
            for name, values in self._compiled.items():
                getattr(self._model, name)[:] = values
        self._altered = False
