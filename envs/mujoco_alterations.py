"""What shifts may alter of a model of MuJoCo for an episode, and how that is undone."""

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
    """Alters a model that one env has for itself.

    Args:
        model: MuJoCo's model, as compiled.
        data: Its data.
    """

    def __init__(self, model: Any, data: Any) -> None:
        self._model, self._data = model, data
        arrays = {name: getattr(model, name) for name in ALTERABLE}
        self._compiled = {name: array.copy() for name, array in arrays.items()}
        self._altered = False

    def alter(self, change: Callable[[Any], None]) -> None:
        """Changes the model until ``restore``."""
        import mujoco  # Suites are listed without it.

        change(self._model)
        self._altered = True
        mujoco.mj_forward(self._model, self._data)

    def restore(self) -> None:
        """Undoes what was altered."""
        if self._altered:
            for name, values in self._compiled.items():
                getattr(self._model, name)[:] = values
        self._altered = False
