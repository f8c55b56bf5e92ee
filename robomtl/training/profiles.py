"""Rendering profiles of the images that a policy is trained on."""

from collections.abc import Iterator, Mapping
from typing import Any

from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.training.parameter_groups import within
from robomtl.training.start import Start


def check_profiles(data: Data, start: Start | None) -> None:
    """Refuses images of one simulator that were rendered with different profiles.

    Args:
        data: Data to train on.
        start: Policy that the training starts from, if any.

    Raises:
        InputError: If two data sets, or a data set and the start, differ.
    """
    first: dict[str, tuple[str, str]] = {}
    for source, suite, options in _sources(data, start):
        simulator, profile = suite.partition("/")[0], options.get("profile")
        if not simulator or not profile:
            continue
        other, usual = first.setdefault(simulator, (source, profile))
        if profile != usual:
            raise InputError(
                f"{source} has images of the profile {profile}, and {other} of the profile"
                f" {usual}; give images of one profile, or train on both all the same by"
                " --other-pictures (other_pictures=True)."
            )


def _sources(
    data: Data, start: Start | None
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Sources of images, each by its name, its suite and the options of the suite."""
    if start is not None:
        card, parts = start.trained.card, start.parts
        taken = not parts or any(within(each, "observer") for each in parts)
        if card.spec.images and taken:
            yield "the start", card.suite, card.suite_options
    for each in data.sets:
        if each.embodiment.images:
            yield str(each.path), each.suite or "", each.suite_options
