"""Tables of renamed settings and tensors, by which earlier versions stay readable.

They apply to files of earlier versions and to old flags of the command line.
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
    "kept": "retrieved_fraction",
    "share": "support_fraction",
    "warm_up": "warmup_fraction",
}
"""Present names of settings, by their earlier names."""
# Settings of ``instruction_augmentation``, which was named ``augmentation``.
_OF_INSTRUCTIONS = {"mixing", "noise", "swap"}
VALUES = {
    "base": {"untold": "unconditioned"},
    "schedule": {"one_cycle": "warmup_cosine"},
}
"""Present values of settings, by setting and earlier value."""
TENSORS = {
    "normaliser.deviation": "std",
    "encoder.told": "projection",
    "wordings.told": "new",
    "place": "position",
}
"""Present names of tensors and modules, by earlier name, with or without its module's."""
_SEPARATOR = re.compile("([./])")  # Keys of a ModuleDict have / in place of a dot.
ALIGNMENT = {"places": "indices"}
"""Present names of fields of an alignment in a card, by their earlier names."""
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
    "other_pictures": False,
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
"""Settings that earlier versions lacked, with the values that reproduce their behaviour."""
REMOVED: Mapping[str, Collection[str]] = {"alpaca": ("context",)}
"""Settings without effect that earlier versions of objectives had, by objective."""


def completed(
    values: Mapping[str, Any],
    known: Collection[str],
    *,
    left_open: Collection[str] = (),
) -> dict[str, Any]:
    """Settings of a file under their present names, with settings added since.

    Args:
        values: Settings, by present or earlier names.
        known: All present names.
        left_open: Names that are not added, as they follow from other settings.
    """
    added = {k: v for k, v in ADDED.items() if k in known and k not in left_open}
    return {**added, **present(_without_removed(values), known)}


def _without_removed(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings of a file or a card without those of its objective that were removed."""
    objective, settings = values.get("objective"), values.get("objective_config")
    removed = REMOVED.get(objective, ()) if isinstance(objective, str) else ()
    if not removed or not isinstance(settings, Mapping):
        return values
    kept = {name: it for name, it in settings.items() if name not in removed}
    return {**values, "objective_config": kept}


def present(values: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Settings under their present names and with their present values.

    Args:
        values: Settings, by present or earlier names.
        known: All present names; an earlier name among them is kept.
    """
    translated = {}
    for name, value in values.items():
        renamed = present_name(name, value)
        outer, new = name.partition(".")[0], renamed.partition(".")[0]
        moved = outer == "augmentation" or outer not in known
        present_key = renamed if new in known and moved else name
        translated[present_key] = present_value(present_key, value)
    return translated


def present_name(name: str, value: Any = None) -> str:
    """The present name of a setting.

    Args:
        name: Present or earlier name; a nested setting has its parent's name before a dot.
        value: Value of the setting, which tells apart the two that were ``augmentation``.
    """
    outer, dot, inner = name.partition(".")
    inside = {inner} if dot else {*value} if isinstance(value, Mapping) else set()
    if outer == "augmentation" and inside & _OF_INSTRUCTIONS:
        return f"instruction_augmentation{dot}{inner}"
    return f"{NAMES.get(outer, outer)}{dot}{inner}"


def present_value(name: str, value: Any) -> Any:
    """The present value of a setting, for a value that may be an earlier one."""
    return VALUES.get(name, {}).get(value, value) if isinstance(value, str) else value


def present_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """The contents of a policy's card under their present names.

    Args:
        card: Decoded file, by present or earlier names; nothing of it was checked yet.
    """
    card = _without_removed(card)
    spec = card.get("spec")
    alignment = spec.get("alignment") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(alignment, Mapping):
        return dict(card)
    renamed = {ALIGNMENT.get(name, name): it for name, it in alignment.items()}
    return {**card, "spec": {**spec, "alignment": renamed}}


def present_tensors(
    tensors: Mapping[str, Tensors], known: Collection[str]
) -> dict[str, Tensors]:
    """The tensors of a file under their present names.

    Args:
        tensors: Tensors, by present or earlier names.
        known: All present names; a name that cannot be translated to one is kept.
    """
    translated = {}
    for name, value in tensors.items():
        new = name if name in known else _present_tensor(name)
        translated[new if new in known and new not in tensors else name] = value
    return translated


def _present_tensor(name: str) -> str:
    parts = _SEPARATOR.split(name)
    for index in range(0, len(parts), 2):
        module = f"{parts[index - 2]}." if index else ""
        earlier = parts[index]
        parts[index] = TENSORS.get(module + earlier, TENSORS.get(earlier, earlier))
    return "".join(parts)
