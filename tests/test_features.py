"""Features and embodiments: refusals, comparisons, and derivation from suites."""

from collections.abc import Callable

import gymnasium
import numpy as np
import pytest

import robomtl
from robomtl.errors import InputError
from robomtl.features import (
    ActionFeature,
    Embodiment,
    Feature,
    embodiment_of,
    from_spaces,
    vector_embodiment,
)
from robomtl.files.request import plain
from robomtl.files.untrusted import converted

ARM = Embodiment(
    name="arm",
    observation={
        "state": Feature(kind="state", shape=(3,), names=("x", "y", "z")),
        "front": Feature(kind="image", shape=(48, 64, 3), camera="front"),
    },
    action=ActionFeature(size=2, names=("x", "gripper"), units=("m", "1")),
)


def test_plain_data_gives_the_same_embodiment_again() -> None:
    assert converted(plain(ARM), Embodiment, where="here") == ARM


def test_a_suite_without_embodiments_has_the_one_of_its_envs() -> None:
    found = embodiment_of(robomtl.suite("points/MT4"))
    assert found == vector_embodiment(state=12, action=2, name="points")


def test_spaces_give_states_and_images() -> None:
    box = gymnasium.spaces.Box
    pixels = box(0, 255, (48, 64, 3), np.uint8)
    vector = box(-1, 1, (3,), np.float32)
    seen = gymnasium.spaces.Dict({"state": vector, "front": pixels})
    found = from_spaces("arm", seen, box(-1, 1, (2,), np.float32))
    assert not found.lacks(ARM)
    assert not ARM.lacks(found)


@pytest.mark.parametrize(
    ("other", "clause"),
    [
        (vector_embodiment(state=3, action=2), "no feature 'front' (image of shape"),
        (
            vector_embodiment(state=4, action=2),
            "'state' (state of shape (4,)), not state of shape (3,)",
        ),
    ],
)
def test_what_is_lacking_is_said(other: Embodiment, clause: str) -> None:
    assert clause in other.lacks(ARM)


def test_more_features_than_needed_fit_but_not_other_actions() -> None:
    assert not ARM.lacks(vector_embodiment(state=3, action=2))
    clause = ARM.lacks(vector_embodiment(state=3, action=4))
    assert clause == "has actions of length 2, not 4"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Feature(kind="state", shape=(2, 2)), r"\(2, 2\); give \(length,\)"),
        (lambda: Feature(kind="state", shape=(2,), names=("x",)), "has 1 names"),
        (lambda: Feature(kind="state", shape=(2,), camera="c"), "no camera"),
        (lambda: Feature(kind="image", shape=(8, 8, 1), camera="c"), "width, 3"),
        (lambda: Feature(kind="image", shape=(8, 8, 3)), "has a camera"),
        (lambda: ActionFeature(size=0), r"\(0,\); give \(length,\)"),
        (lambda: ActionFeature(size=2, units=("m",)), "has 1 units"),
        (
            lambda: Embodiment(name="x", observation={}, action=ARM.action),
            "has no observation feature; give at least 1",
        ),
        (lambda: ARM.feature("frond"), "front"),
        (
            lambda: from_spaces(
                "arm", gymnasium.spaces.Discrete(2), gymnasium.spaces.Discrete(2)
            ),
            "expected a Dict of features",
        ),
    ],
)
def test_impossible_features_are_refused(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make()
