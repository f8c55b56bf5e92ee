"""Methods and their hyper-parameters, as words of a command line name them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from robomtl.nearest import unknown


def split_policies(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words without ``@OBJECTIVE`` at their ends, and the objectives by label."""
    pairs = [word.partition("@") for word in words]
    labels = [(word.partition("=")[0], objective) for word, _, objective in pairs]
    return [word for word, _, _ in pairs], {k: v for k, v in labels if v}


def by_label(words: Sequence[str]) -> dict[str, str]:
    """Methods by label, from ``METHOD`` or ``LABEL=METHOD``.

    Raises:
        ValueError: If a label stands there twice.
    """
    found: dict[str, str] = {}
    for word in words:
        label, _, method = word.partition("=")
        if label in found:
            raise ValueError(
                f"The method {label} is named twice; give the second another label, as"
                f" in {label}-2={method or label}."
            )
        found[label] = method or label
    return found


def parsed(
    words: Sequence[str], methods: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Hyper-parameters by label, from ``LABEL.NAME=VALUE``; values as JSON has them.

    Raises:
        ValueError: If a word is of another form, or the label is unknown.
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        label, dot, field = name.partition(".")
        if not (equals and dot and field):
            raise ValueError(
                f"'{word}' sets nothing; write METHOD.NAME=VALUE, such as"
                " finetune.learning_rate=1e-3."
            )
        if label not in methods:
            raise ValueError(unknown("method to set", label, methods))
        found.setdefault(label, {})[field] = _value(value)
    return found


def gridded(words: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Values to try by method and hyper-parameter, from ``METHOD.NAME=VALUE,VALUE``.

    Raises:
        ValueError: If a word is of another form.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        method, dot, field = name.partition(".")
        if not (equals and dot and field and values):
            raise ValueError(
                f"'{word}' is no part of a grid; write METHOD.NAME=VALUE,VALUE, such as"
                " finetune.steps=30,100,300."
            )
        tried = [_value(each) for each in values.split(",")]
        found.setdefault(method, {})[field] = tried
    return found


def _value(text: str) -> Any:
    """The value as JSON has it; any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text
