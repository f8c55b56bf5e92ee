"""Settings as earlier versions named them, under their present names.

Files of earlier versions and old flags of the command line are read by these tables.
"""

from collections.abc import Collection, Mapping
from typing import Any

NAMES = {
    "batch": "batch_size",
    "clip": "max_grad_norm",
    "ema": "ema_decay",
    "warm_up": "warmup_fraction",
}
"""Present names of settings, by their earlier ones."""
VALUES = {"schedule": {"one_cycle": "warmup_cosine"}}
"""Present values of settings, by the setting and their earlier ones."""
ADDED: Mapping[str, Any] = {
    "learning_rate_factors": [],
    "weight_decays": [],
    "learner": "joined",
}
"""Settings that earlier versions lacked, with the values by which they do as those did."""


def completed(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Settings of a file under their present names, with those that were added since.

    Args:
        values: Settings, by present or earlier names.
        known: Names that there are.
    """
    added = {name: value for name, value in ADDED.items() if name in known}
    return {**added, **present(values, known)}


def present(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Settings under their present names and with their present values.

    Args:
        values: Settings, by present or earlier names.
        known: Names that there are; an earlier name among them stays as it is.
    """
    found = {}
    for name, value in values.items():
        renamed = NAMES.get(name, name)
        place = renamed if renamed in known and name not in known else name
        found[place] = present_value(place, value)
    return found


def present_value(name: str, value: Any) -> Any:
    """The value of a setting in the words of today."""
    return VALUES.get(name, {}).get(value, value) if isinstance(value, str) else value
