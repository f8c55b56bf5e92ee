"""One policy from the demonstrations of many tasks.

Names are loaded on first use: whoever loads a policy needs its objective alone.
"""

from typing import TYPE_CHECKING

from robomtl.lazy import loading

if TYPE_CHECKING:
    from robomtl.training.config import TrainConfig as TrainConfig
    from robomtl.training.running import train as train
    from robomtl.training.start import Start as Start

_HOMES = {
    "Start": "robomtl.training.start",
    "TrainConfig": "robomtl.training.config",
    "train": "robomtl.training.running",
}

__all__ = list(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


__getattr__ = loading(__name__, _HOMES)
