"""Settings and tensors as earlier versions named them, under their present names.

Files of earlier versions and old flags of the command line are read by these tables.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

Tensors = TypeVar("Tensors")

NAMES = {
    "batch": "batch_size",
    "clip": "max_grad_norm",
    "construction": "augmentation",
    "ema": "ema_decay",
    "share": "support_fraction",
    "warm_up": "warmup_fraction",
}
"""Present names of settings, by their earlier ones."""
_OF_INSTRUCTIONS = {"mixing", "noise", "swap"}  # Once settings of ``augmentation``.
VALUES = {
    "base": {"untold": "unconditioned"},
    "schedule": {"one_cycle": "warmup_cosine"},
}
"""Present values of settings, by the setting and their earlier ones."""
TENSORS = {
    "normaliser.deviation": "std",
    "encoder.told": "projection",
    "wordings.told": "new",
    "place": "position",
}
"""Present names of tensors and modules, by their earlier ones and that of their module."""
_SEPARATOR = re.compile("([./])")  # Names that torch keeps whole have slashes.
ADDED: Mapping[str, Any] = {
    "learning_rate_factors": [],
    "weight_decays": [],
    "learner": "joined",
    "prefetch": "auto",
    "features": [],
    "history": 1,
    "goal_images": 0.5,
    "alignment": "none",
    "vision": {
        "encoder": "spatial",
        "features": 64,
        "film": True,
        "shared": False,
        "weights": "",
        "frozen": False,
        "patch": 14,
    },
    "modes": 5,
    "bins": 256,
    "sampling_steps": 10,
    "noise_levels": 100,
    "head_width": 256,
    "head_blocks": 3,
    "image_augmentation": {"shift": 0, "colour": 0.0},
    "auxiliary": {"positions": 0.0},
    "train": [],
    "accumulate": 1,
    "compile": False,
    "processes": 1,
    "mixture": "given",
    "remix": {"steps": 2_000, "rate": 0.2, "smoothing": 1e-3},
    "sub_trajectories": 0.0,
    "negatives": 0.0,
    "margin": 0.1,
    "fraction": 1.0,
}
"""Settings that earlier versions lacked, with the values by which they do as those did."""


def completed(
    values: Mapping[str, Any],
    known: Collection[str],
    *,
    left_open: Collection[str] = (),
) -> dict[str, Any]:
    """Settings of a file under their present names, with those that were added since.

    Args:
        values: Settings, by present or earlier names.
        known: Names that there are.
        left_open: Those of them that follow from other settings, and are not added.
    """
    added = {k: v for k, v in ADDED.items() if k in known and k not in left_open}
    return {**added, **present(values, known)}


def present(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Settings under their present names and with their present values.

    Args:
        values: Settings, by present or earlier names.
        known: Names that there are; an earlier name among them stays as it is.
    """
    found = {}
    for name, value in values.items():
        renamed = present_name(name, value)
        outer, new = name.partition(".")[0], renamed.partition(".")[0]
        moved = outer == "augmentation" or outer not in known
        place = renamed if new in known and moved else name
        found[place] = present_value(place, value)
    return found


def present_name(name: str, value: Any = None) -> str:
    """The present name of a setting.

    Args:
        name: Present or earlier; a setting inside another one by both, with a dot.
        value: Its value, by which an ``augmentation`` of instructions is known.
    """
    outer, dot, inner = name.partition(".")
    inside = {inner} if dot else {*value} if isinstance(value, Mapping) else set()
    if outer == "augmentation" and inside & _OF_INSTRUCTIONS:
        return f"instruction_augmentation{dot}{inner}"
    return f"{NAMES.get(outer, outer)}{dot}{inner}"


def present_value(name: str, value: Any) -> Any:
    """The value of a setting in the words of today."""
    return VALUES.get(name, {}).get(value, value) if isinstance(value, str) else value


def present_tensors(
    tensors: Mapping[str, Tensors], known: Collection[str]
) -> dict[str, Tensors]:
    """The tensors of a file under their present names.

    Args:
        tensors: By present or earlier names.
        known: Names that there are; one that is not, and whose present name is not
            either, stays as it is.
    """
    found = {}
    for name, value in tensors.items():
        new = name if name in known else _present_tensor(name)
        found[new if new in known and new not in tensors else name] = value
    return found


def _present_tensor(name: str) -> str:
    parts = _SEPARATOR.split(name)
    for place in range(0, len(parts), 2):
        module = f"{parts[place - 2]}." if place else ""
        earlier = parts[place]
        parts[place] = TENSORS.get(module + earlier, TENSORS.get(earlier, earlier))
    return "".join(parts)
