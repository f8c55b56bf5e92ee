"""Assigns columns of a data set to the features that are imported."""

import re
from collections.abc import Iterable, Mapping, Sequence

from robomtl.errors import InputError
from robomtl.importing.source import About, Column
from robomtl.nearest import check_known
from robomtl.pictures import IMAGE

ACTION, REWARD, STATE, SUCCESS = "action", "reward", "state", "success"
_MARKS = (ACTION, REWARD, SUCCESS)
_NAME = re.compile(r"[A-Za-z]\w{0,99}")
_SHOWN = 5  # Columns that a message lists as unusable.
_CAMERA = re.compile(r"[\w-]{1,99}")

Features = Mapping[str, tuple[str, ...]]
"""Columns of each feature, in the order in which they are joined."""


def chosen_features(words: Iterable[str], about: About) -> Features:
    """The columns of each feature that is imported.

    Args:
        words: Assignments such as ``state=obs/object+obs/robot0_eef_pos``.
        about: Metadata with the columns, and with their default features.

    Raises:
        InputError: If a word has another form, a column is unknown or of another kind, or
            the state or the action has no column.
    """
    named = dict(_parsed(word, about) for word in words)
    observed = named.keys() - {*_MARKS}
    usual = {
        name: columns
        for name, columns in about.usual.items()
        if name in (STATE, *_MARKS) or not observed
    }
    features = {
        name: columns for name, columns in {**usual, **named}.items() if columns
    }
    for name, columns in features.items():
        _check(name, [_column(each, about) for each in columns])
    for name in (STATE, ACTION):
        if name not in features:
            vectors = [n for n, c in about.columns.items() if c.kind == "vector"]
            unfit = [f" '{n}' {why}." for n, why in about.unusable.items()][:_SHOWN]
            raise InputError(
                f"No column is known to be the {name}; name it, such as {name}=COLUMN."
                f" Vectors: {', '.join(vectors) or 'none'}.{''.join(unfit)}"
            )
    return features


def of_images(features: Features, about: About) -> list[str]:
    """The imported columns of images."""
    every = [each for columns in features.values() for each in columns]
    return [each for each in every if about.columns[each].kind == "image"]


def of_vectors(features: Features, about: About) -> list[str]:
    """The imported columns of vectors, each once."""
    every = [each for columns in features.values() for each in columns]
    vectors = (each for each in every if about.columns[each].kind == "vector")
    return [*dict.fromkeys(vectors)]


def _parsed(word: str, about: About) -> tuple[str, tuple[str, ...]]:
    name, equals, columns = word.partition("=")
    if not equals:
        raise InputError(
            f"{word!r} names no column; write FEATURE=COLUMN, such as state=obs/object."
        )
    camera = name.removeprefix(IMAGE)
    pattern = _CAMERA if name.startswith(IMAGE) else _NAME
    if not pattern.fullmatch(camera):
        raise InputError(
            f"{name!r} is not a valid name of a feature; give state, action, reward,"
            " success, image.CAMERA, or a name of letters, digits and _."
        )
    return name, tuple(_resolved(each, about) for each in columns.split("+") if each)


def _resolved(name: str, about: About) -> str:
    """The full name of a column, whose beginning may be left out if the end is unique."""
    if name in about.columns:
        return name
    ends = [c for c in about.columns if c.endswith((f"/{name}", f".{name}"))]
    return ends[0] if len(ends) == 1 else name


def _column(name: str, about: About) -> Column:
    if name in about.unusable:
        raise InputError(f"The column '{name}' {about.unusable[name]}.")
    check_known("column", name, about.columns)
    return about.columns[name]


def _check(name: str, columns: Sequence[Column]) -> None:
    kinds = {column.kind for column in columns}
    if name.startswith(IMAGE):
        if kinds != {"image"} or len(columns) > 1:
            raise InputError(f"'{name}' needs one column of images.")
    elif kinds != {"vector"}:
        raise InputError(
            f"'{name}' needs vectors, but one of its columns contains images; name the"
            f" feature {IMAGE}{name}."
        )
    if name in (REWARD, SUCCESS) and [column.shape for column in columns] != [(1,)]:
        raise InputError(f"'{name}' needs one column of one number per frame.")
