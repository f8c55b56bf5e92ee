"""A suite under shifts: ``robomtl.suite("shifted/friction=4/metaworld/MT10")``.

Several shifts are separated by commas. With a range in place of a magnitude, each episode
draws one: ``shifted/friction=0.5:2,object_bias=0:2/metaworld/MT10``. With ``randomised`` in
place of the shifts, each episode draws every shift that the suite supports from its default
range.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from robomtl.errors import InputError
from robomtl.pictures import OnDemandPictures
from robomtl.shifts.shift import SHIFTS, Need, Scene, Shift
from robomtl.shifts.shifted_env import OnDemandShiftedEnv, Range, ShiftedEnv
from robomtl.suites import suite as named_suite
from robomtl.task import Env, Suite, definition_of
from robomtl.wrapped_suite import WrappedSuite

RANDOMISED = "randomised"
"""Name for every shift that the suite supports, each from its default range."""
_FORM = "give NAME=MAGNITUDE or NAME=LEAST:GREATEST, joined by commas"


@dataclass(frozen=True)
class ShiftedSuite(WrappedSuite):
    """The tasks of a suite under shifts.

    Args:
        suite: The suite without shifts.
        shifts: Shifts as in the name of the suite: ``NAME=MAGNITUDE`` or
            ``NAME=LEAST:GREATEST``, separated by commas; or ``randomised``.
    """

    shifts: str
    passed_on: ClassVar[tuple[str, ...]] = (
        "action",
        "embodiment",
        "envs_may_differ",
        "families",
        "geometry",
        "goal_number",
        "goal_numbers",
        "goal_places",
        "one_env_per_process",
        "positions",
        "robot",
        "shared_wordings",
        "undisturbed_actions",
        "variations_of_goal",
        "version",
    )

    def __post_init__(self) -> None:
        """Checks the shifts.

        Raises:
            InputError: If a shift is unknown, out of its range, or not supported by the
                suite.
        """
        _ = self.ranges

    @functools.cached_property
    def ranges(self) -> Mapping[str, Range]:
        """Least and greatest magnitude, by name of the shift."""
        if self.shifts == RANDOMISED:
            return {name: SHIFTS.get(name).randomised for name in possible(self.suite)}
        ranges = ranges_from(self.shifts)
        for name in ranges:
            check_possible(self.suite, name)
        return ranges

    @property
    def name(self) -> str:
        """Full name, such as ``shifted/friction=4/metaworld/MT10``."""
        return f"shifted/{self.shifts}/{self.suite.name}"

    @property
    def definition(self) -> dict[str, Any]:
        """The ranges, since default ranges may change, and the suite's definition."""
        ranges = {name: list(each) for name, each in self.ranges.items()}
        return {"shifts": ranges, **definition_of(self.suite)}

    def make_env(self, task: str) -> Env:
        """An env of the task under the shifts.

        Raises:
            ValueError: If the task is unknown.
        """
        return shifted_env(self.suite, task, self.suite.make_env(task), self.ranges)

    def __getattr__(self, name: str) -> Any:
        """Optional members of the suite; ``with_camera`` keeps the shifts."""
        if name == "with_camera":
            with_camera = self.suite.with_camera  # type: ignore[attr-defined]
            return lambda camera: replace(self, suite=with_camera(camera))
        return super().__getattr__(name)


def shifted_env(
    suite: Suite, task: str, env: Env, ranges: Mapping[str, Range]
) -> ShiftedEnv:
    """An env of a suite under shifts.

    Args:
        suite: The suite without shifts.
        task: Name of the task.
        env: Env of the suite; it can be reused, under other shifts or none.
        ranges: Ranges of the magnitudes, by name of a shift that the suite supports.
    """
    size = int(np.prod(env.action_space.shape or ()))
    geometry = getattr(suite, "geometry", None)
    scene = Scene(
        moved=size - int(getattr(suite, "undisturbed_actions", 0)),
        size=size,
        geometry=geometry(task) if geometry else None,
        table=getattr(suite, "table", None),
    )
    kind = OnDemandShiftedEnv if isinstance(env, OnDemandPictures) else ShiftedEnv
    return kind(env, task, scene, ranges)


def ranges_from(text: str) -> dict[str, Range]:
    """Ranges of magnitudes parsed from a text, by name of the shift.

    Args:
        text: ``NAME=MAGNITUDE`` or ``NAME=LEAST:GREATEST``, separated by commas.

    Raises:
        InputError: If the text has another form, a shift is unknown or named twice, or a
            magnitude is out of range.
    """
    ranges: dict[str, Range] = {}
    for word in text.split(","):
        name, equals, values = word.partition("=")
        if not equals:
            raise InputError(f"shifts has '{word}'; {_FORM}, such as friction=4.")
        if name in ranges:
            raise InputError(f"The shift {name} is named twice; name it once.")
        shift = SHIFTS.get(name)
        low, _, high = values.partition(":")
        least, greatest = (
            magnitude_from(name, shift, each) for each in (low, high or low)
        )
        if least > greatest:
            raise InputError(
                f"{name}={values} has the greater magnitude first; give"
                f" {greatest:g}:{least:g}."
            )
        ranges[name] = least, greatest
    return ranges


def magnitude_from(name: str, shift: Shift, value: str | float) -> float:
    """The magnitude of a shift as a number, after checking its range.

    Raises:
        InputError: If it is not a number, or outside the range of the shift.
    """
    whole = "whole " if shift.integer else ""
    try:
        number = float(value)
        fits = shift.minimum <= number <= shift.maximum
    except ValueError:
        number, fits = 0.0, False
    if not fits or (shift.integer and number != int(number)):
        raise InputError(
            f"{name} is {value}; give a {whole}number from {shift.minimum:g} to"
            f" {shift.maximum:g} [{shift.unit}]; {shift.none:g} changes nothing."
        )
    return number


def possible(suite: Suite) -> tuple[str, ...]:
    """Names of the shifts that a suite supports."""
    supported = _supported(suite)
    return tuple(name for name in SHIFTS.names() if SHIFTS.get(name).needs in supported)


def check_possible(suite: Suite, name: str) -> None:
    """Refuses a shift that a suite does not support.

    Raises:
        InputError: If the shift is unknown or the suite does not support it; the message
            lists the shifts that it supports.
    """
    needs = SHIFTS.get(name).needs
    if needs not in _supported(suite):
        raise InputError(
            f"{suite.name} does not support the shift '{name}': {_LACKS[needs]}."
            f" Supported: {', '.join(possible(suite))}."
        )


_LACKS: Mapping[Need, str] = {
    "positions": "the suite does not define where positions are in its state (geometry)",
    "physics": "its envs do not let an episode change MuJoCo's model",
    "start": "its envs cannot change the hand's initial position",
    "pictures": "its observations contain no pictures of MuJoCo; give --cameras if it has"
    " cameras",
    "table": "its observations contain no pictures of a table with known bounds; give"
    " --cameras if it has cameras",
}


def _supported(suite: Suite) -> set[Need]:
    """Aspects of a suite that shifts can change."""
    supported: set[Need] = {"actions", *getattr(suite, "alterable", ())}
    if hasattr(suite, "geometry"):
        supported.add("positions")
    return supported


def shifted(variant: str, **options: Any) -> ShiftedSuite:
    """A suite under shifts.

    Args:
        variant: The shifts and the full name of the suite, separated by a slash.
        **options: Options of the suite.

    Raises:
        InputError: If a shift, a magnitude, the suite or an option is unknown, no suite
            is named, or the suite does not support a shift.
    """
    shifts, _, name = variant.partition("/")
    if not name:
        raise InputError(
            f"{f'shifted/{variant}'.rstrip('/')} names no suite; give the shifts and a"
            f" suite, such as shifted/{shifts or 'friction=4'}/metaworld/MT10."
        )
    if name.startswith("shifted/"):
        raise InputError(
            f"shifted/{variant} shifts a shifted suite; name all shifts at once: {_FORM}."
        )
    if shifts != RANDOMISED:
        ranges_from(shifts)  # Before the suite: a typo is likelier in the shifts.
    return ShiftedSuite(named_suite(name, **options), shifts)


shifted.variants = {  # type: ignore[attr-defined]
    f"{RANDOMISED}/<suite>": "The tasks of a suite under randomised shifts",
    **{
        f"{name}=<{SHIFTS.get(name).unit}>/<suite>": SHIFTS.get(name).line
        for name in SHIFTS.built_in()
    },
}
