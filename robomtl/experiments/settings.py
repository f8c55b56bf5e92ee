"""The methods or arms of a comparison with their settings: parsed, merged and applied."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from typing import Any, NamedTuple, cast

from robomtl.conditioning import Kind
from robomtl.earlier import present
from robomtl.errors import InputError
from robomtl.nearest import check_known
from robomtl.ranges import check_names, made_of, typed_fields

EVERY = "every"
"""Label by which settings are given to all arms or methods."""


def by_label(words: Sequence[str], *, noun: str = "method") -> dict[str, str]:
    """Names by label, from ``NAME`` or ``LABEL=NAME``.

    Args:
        words: Words from the command line.
        noun: Singular noun for what is named, for messages.

    Raises:
        InputError: If a label is given twice, or a label or a name is empty.
    """
    names: dict[str, str] = {}
    for word in words:
        label, equals, name = word.partition("=")
        if not label or (equals and not name):
            lacks = f"a {noun}" if label else "a label"
            raise InputError(
                f"'{word}' lacks {lacks}; write LABEL={noun.upper()}, or the"
                f" {noun} alone."
            )
        if label in names:
            raise InputError(
                f"The {noun} {label} is named twice; give the second another label, as"
                f" in {label}-2={name or label}."
            )
        names[label] = name or label
    return names


def parsed(
    words: Sequence[str],
    labels: Mapping[str, str],
    *,
    noun: str = "method",
    example: str = "finetune.learning_rate=1e-3",
) -> dict[str, dict[str, Any]]:
    """Settings by label, from ``LABEL.NAME=VALUE``; values are parsed by ``value``.

    Args:
        words: Words from the command line.
        labels: Known labels.
        noun: Singular noun for what is labelled, for messages.
        example: Example of a setting, for messages.

    Raises:
        InputError: If a word has another form, or a label is unknown.
    """
    settings: dict[str, dict[str, Any]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        label, dot, field = name.partition(".")
        if not (equals and dot and field):
            raise InputError(
                f"'{word}' is not a setting; write {noun.upper()}.NAME=VALUE, such as"
                f" {example}."
            )
        check_known(f"{noun} to set", label, labels)
        settings.setdefault(label, {})[field] = value(text)
    return settings


def value(text: str) -> Any:
    """The value of a text in JSON; any other text unchanged."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def changed(settings: Any, fields: Mapping[str, Any], *, within: str = "") -> Any:
    """A copy of a dataclass in which some fields are replaced, nested ones included.

    Args:
        settings: The dataclass.
        fields: Values by name of the field; ``outer.inner`` names a nested field.
        within: Prefix of the names in messages.

    Raises:
        InputError: If a field is unknown, or the dataclass refuses a value or its type.
    """
    fields = present(fields, [each.name for each in fields_of(settings)])
    check_names(settings, [name.partition(".")[0] for name in fields], within=within)
    others: dict[str, Any] = {}
    for name, value in fields.items():
        outer, dot, inner = name.partition(".")
        if dot:
            before, path = others.get(outer, getattr(settings, outer)), within + outer
            if not is_dataclass(before):
                raise InputError(f"'{path}' has no setting '{inner}'.")
            others[outer] = changed(before, {inner: value}, within=f"{path}.")
        else:
            others[name] = value
    return made_of(settings, typed_fields(settings, others))


def settings_of(
    label: str, settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The settings of a label, with those of ``EVERY`` where it has none of its own."""
    return {**settings.get(EVERY, {}), **settings.get(label, {})}


class SplitSettings(NamedTuple):
    """Settings of an arm or method, split by the config that they belong to."""

    training: dict[str, Any]
    """Settings of the form ``training.NAME``, by NAME."""
    policy_config: dict[str, Any]
    """Settings of the form ``policy_config.NAME``, by NAME."""
    others: dict[str, Any]
    """All other settings."""


def split_settings(settings: Mapping[str, Any]) -> SplitSettings:
    """Settings split by the config that they belong to, in the given order."""
    split = SplitSettings({}, {}, {})
    for name, value in settings.items():
        outer, _, inner = name.partition(".")
        if outer == "training" and inner:
            split.training[inner] = value
        elif outer == "policy_config" and inner:
            split.policy_config[inner] = value
        else:
            split.others[name] = value
    return split


def kinds_of(value: Any) -> tuple[Kind, ...]:
    """Kinds of conditioning from a list, or from words separated by commas."""
    words = value.split(",") if isinstance(value, str) else list(value or [])
    return tuple(cast(Kind, word) for word in words if word)


def split_policies(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words with their suffix ``@OBJECTIVE`` removed, and the objectives by label."""
    pairs = [word.partition("@") for word in words]
    labels = [(word.partition("=")[0], objective) for word, _, objective in pairs]
    return [word for word, _, _ in pairs], {k: v for k, v in labels if v}


def gridded(words: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Values to try by method and hyper-parameter, from ``METHOD.NAME=VALUE,VALUE``.

    Raises:
        InputError: If a word has another form.
    """
    grid: dict[str, dict[str, list[Any]]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        method, dot, field = name.partition(".")
        if not (equals and dot and field and values):
            raise InputError(
                f"'{word}' is not part of a grid; write METHOD.NAME=VALUE,VALUE, such as"
                " finetune.steps=30,100,300."
            )
        tried = [value(each) for each in values.split(",")]
        grid.setdefault(method, {})[field] = tried
    return grid
