"""Notices draws from the random generators that a whole process shares.

An env that draws from them at its steps repeats its episodes alone, and not beside others:
the trials that are played side by side take each other's numbers.
"""

import random
from typing import Any

import numpy as np

WARNING = (
    "While trials were played side by side, something drew from the global random generator"
    " of Python or of numpy, which they share, so their results may depend on one another."
    " Give each env and each policy a generator of its own, or make the suite with"
    " one_env_per_process=True; robomtl check SUITE finds out whether its envs do it."
)


class SharedDraws:
    """Whether something draws between two moments; to look takes 0.3 ms each time."""

    def __init__(self) -> None:
        self._before: Any = None

    def begin(self) -> None:
        """The first moment."""
        self._before = _states()

    def seen(self) -> bool:
        """Whether something drew since the first moment, if there was one."""
        return self._before is not None and self._before != _states()


def _states() -> tuple[Any, ...]:
    own: Any = np.random.get_state(legacy=False)
    numbers = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in own["state"].items()
    }
    # Of two numbers of a normal distribution, the second was kept at the first.
    return random.getstate(), numbers, own["has_gauss"]
