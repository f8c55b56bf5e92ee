"""Detection of draws from the global random generators of Python and numpy.

An env that draws from them in its steps repeats its episodes alone, but not in lockstep
with other trials, which draw from the same stream of numbers.
"""

import random
from typing import Any

import numpy as np

WARNING = (
    "While trials were played in lockstep, something drew from the global random generator"
    " of Python or of numpy, which they share, so their results may depend on one another."
    " Give each env and each policy a generator of its own, or make the suite with"
    " one_env_per_process=True; robomtl check SUITE tells whether its envs do it."
)


class SharedDraws:
    """Detects draws between ``begin`` and ``changed``; each of the calls takes 0.3 ms."""

    def __init__(self) -> None:
        self._before: Any = None

    def begin(self) -> None:
        """Records the states of the generators."""
        self._before = _states()

    def changed(self) -> bool:
        """Whether the states have changed since ``begin``; False without it."""
        return self._before is not None and self._before != _states()


def _states() -> tuple[Any, ...]:
    own: Any = np.random.get_state(legacy=False)
    numbers = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in own["state"].items()
    }
    # Normal numbers are drawn in pairs; has_gauss tells whether the second is left.
    return random.getstate(), numbers, own["has_gauss"]
