"""Objectives and grids of methods, as words of a command line name them."""

from collections.abc import Sequence
from typing import Any

from robomtl.errors import InputError
from robomtl.experiments.settings import value


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
