"""Splits of variations that are ranges of integers, the same for every task."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from robomtl.errors import InputError
from robomtl.nearest import check_known

SPLITS: Mapping[str, range] = MappingProxyType(
    {"train": range(0, 1_000_000), "fresh": range(1_000_000, 2_000_000)}
)
"""Splits of a suite whose variations are seeds, a million for each split."""


def find_split(splits: Mapping[str, range], name: str) -> range:
    """The split of this name.

    Raises:
        InputError: If there is none; the message names the nearest.
    """
    check_known("split", name, splits)
    return splits[name]


def find_variation(splits: Mapping[str, range], task: str, variation: Any) -> int:
    """The variation as an integer, if a split contains it.

    Args:
        splits: All splits of the task.
        task: Name of the task, for the message.
        variation: Variation as given.

    Raises:
        InputError: If no split contains it; the message lists the splits.
    """
    if not any(variation in split for split in splits.values()):
        known = (f"{s[0]} to {s[-1]} ({name})" for name, s in splits.items())
        raise InputError(
            f"Unknown variation {variation!r} of '{task}'. Known: {', '.join(known)}."
        )
    return int(variation)


def requested_variation(
    splits: Mapping[str, range],
    task: str,
    options: Mapping[str, Any] | None,
    generator: np.random.Generator,
) -> int:
    """The variation that a reset requests, or else one drawn from ``train``.

    Args:
        splits: All splits of the task.
        task: Name of the task, for the message.
        options: Options of the reset.
        generator: Random generator, which is advanced even if a variation is requested.

    Raises:
        InputError: If no split contains the variation; the message lists the splits.
    """
    drawn = splits["train"][generator.choice(len(splits["train"]))]
    return find_variation(splits, task, (options or {}).get("variation", drawn))
