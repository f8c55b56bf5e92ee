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
"""In place of a label, for settings of all arms or methods."""


def by_label(words: Sequence[str], *, noun: str = "method") -> dict[str, str]:
    """Names by label, from ``NAME`` or ``LABEL=NAME``.

    Args:
        words: As given.
        noun: What they name, for the message.

    Raises:
        InputError: If a label is given twice, or a word has only a label or only a name.
    """
    found: dict[str, str] = {}
    for word in words:
        label, equals, name = word.partition("=")
        if not label or (equals and not name):
            lacks = f"a {noun}" if label else "a label"
            raise InputError(
                f"'{word}' lacks {lacks}; write LABEL={noun.upper()}, or the"
                f" {noun} alone."
            )
        if label in found:
            raise InputError(
                f"The {noun} {label} is named twice; give the second another label, as"
                f" in {label}-2={name or label}."
            )
        found[label] = name or label
    return found


def parsed(
    words: Sequence[str],
    labels: Mapping[str, str],
    *,
    noun: str = "method",
    example: str = "finetune.learning_rate=1e-3",
) -> dict[str, dict[str, Any]]:
    """Settings by label, from ``LABEL.NAME=VALUE``; values as JSON has them.

    Args:
        words: As given.
        labels: Those that can be set.
        noun: What they are labels of, for the messages.
        example: A word that sets something, for the messages.

    Raises:
        InputError: If a word is of another form, or the label is unknown.
    """
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        label, dot, field = name.partition(".")
        if not (equals and dot and field):
            raise InputError(
                f"'{word}' sets nothing; write {noun.upper()}.NAME=VALUE, such as"
                f" {example}."
            )
        check_known(f"{noun} to set", label, labels)
        found.setdefault(label, {})[field] = value(text)
    return found


def value(text: str) -> Any:
    """The value as JSON has it; any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def changed(settings: Any, fields: Mapping[str, Any], *, within: str = "") -> Any:
    """A dataclass with other values of some fields, and of fields of its fields.

    Args:
        settings: The dataclass.
        fields: By name; a field of a field by both names with a dot between them.
        within: Prefix of their names in messages.

    Raises:
        InputError: If there is no such field, a value is of another type, or the dataclass
            refuses it.
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


class Dealt(NamedTuple):
    """The settings of an arm or method, by what they set."""

    training: dict[str, Any]
    """Those called ``training.NAME``, by the inner name."""
    policy_config: dict[str, Any]
    """Those called ``policy_config.NAME``, by the inner name."""
    others: dict[str, Any]
    """All others."""


def dealt(settings: Mapping[str, Any]) -> Dealt:
    """Settings by what they set, in the given order."""
    found = Dealt({}, {}, {})
    for name, value in settings.items():
        outer, _, inner = name.partition(".")
        if outer == "training" and inner:
            found.training[inner] = value
        elif outer == "policy_config" and inner:
            found.policy_config[inner] = value
        else:
            found.others[name] = value
    return found


def kinds_of(value: Any) -> tuple[Kind, ...]:
    """Kinds of conditioning from a list, or from words with commas between them."""
    words = value.split(",") if isinstance(value, str) else list(value or [])
    return tuple(cast(Kind, word) for word in words if word)


def split_policies(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words without ``@OBJECTIVE`` at their ends, and the objectives by label."""
    pairs = [word.partition("@") for word in words]
    labels = [(word.partition("=")[0], objective) for word, _, objective in pairs]
    return [word for word, _, _ in pairs], {k: v for k, v in labels if v}


def gridded(words: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Values to try by method and hyper-parameter, from ``METHOD.NAME=VALUE,VALUE``.

    Raises:
        InputError: If a word is of another form.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        method, dot, field = name.partition(".")
        if not (equals and dot and field and values):
            raise InputError(
                f"'{word}' is no part of a grid; write METHOD.NAME=VALUE,VALUE, such as"
                " finetune.steps=30,100,300."
            )
        tried = [value(each) for each in values.split(",")]
        found.setdefault(method, {})[field] = tried
    return found
