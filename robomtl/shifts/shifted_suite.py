"""A suite under shifts: ``robomtl.suite("shifted/friction=4/metaworld/MT10")``.

Several shifts are joined by commas, and a range of magnitudes is drawn from in each
episode: ``shifted/friction=0.5:2,object_bias=0:2/metaworld/MT10``. With ``randomised``
in their place, each shift that the suite can do is drawn from its own default range.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from robomtl.errors import InputError
from robomtl.pictures import Sighted
from robomtl.shifts.shift import SHIFTS, Need, Scene, Shift
from robomtl.shifts.shifted_env import Range, ShiftedEnv, SightedShiftedEnv
from robomtl.suites import suite as named_suite
from robomtl.task import Env, Suite, definition_of
from robomtl.wrapped_suite import WrappedSuite

RANDOMISED = "randomised"
"""In place of magnitudes: every shift that a suite can do, from its default range."""
_FORM = "give NAME=MAGNITUDE or NAME=LEAST:GREATEST, joined by commas"


@dataclass(frozen=True)
class ShiftedSuite(WrappedSuite):
    """The tasks of a suite under shifts.

    Args:
        suite: Has the tasks.
        shifts: As in the name: ``NAME=MAGNITUDE`` or ``NAME=LEAST:GREATEST`` with commas
            between them, or ``randomised``.
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
            InputError: If one is unknown, out of its range, or none that the suite can do.
        """
        _ = self.ranges

    @functools.cached_property
    def ranges(self) -> Mapping[str, Range]:
        """Least and greatest magnitude by the name of the shift."""
        if self.shifts == RANDOMISED:
            return {name: SHIFTS.get(name).randomised for name in possible(self.suite)}
        found = ranges_from(self.shifts)
        for name in found:
            check_possible(self.suite, name)
        return found

    @property
    def name(self) -> str:
        """Full name, such as ``shifted/friction=4/metaworld/MT10``."""
        return f"shifted/{self.shifts}/{self.suite.name}"

    @property
    def definition(self) -> dict[str, Any]:
        """The ranges, as the defaults may change, and the definition of the suite."""
        ranges = {name: list(each) for name, each in self.ranges.items()}
        return {"shifts": ranges, **definition_of(self.suite)}

    def make_env(self, task: str) -> Env:
        """One of the suite, under the shifts.

        Raises:
            ValueError: If the task is unknown.
        """
        return shifted_env(self.suite, task, self.suite.make_env(task), self.ranges)

    def __getattr__(self, name: str) -> Any:
        """Optional parts of the suite; seen by a camera, it is under the same shifts."""
        if name == "with_camera":
            seen = self.suite.with_camera  # type: ignore[attr-defined]
            return lambda camera: replace(self, suite=seen(camera))
        return super().__getattr__(name)


def shifted_env(
    suite: Suite, task: str, env: Env, ranges: Mapping[str, Range]
) -> ShiftedEnv:
    """An env of a suite under shifts.

    Args:
        suite: Without shifts.
        task: Name of the task.
        env: Made by the suite; it can be used again, under other shifts or none.
        ranges: Of the magnitudes, by the names of the shifts, which the suite can do.
    """
    size = int(np.prod(env.action_space.shape or ()))
    geometry = getattr(suite, "geometry", None)
    scene = Scene(
        moved=size - int(getattr(suite, "undisturbed_actions", 0)),
        size=size,
        geometry=geometry(task) if geometry else None,
        table=getattr(suite, "table", None),
    )
    kind = SightedShiftedEnv if isinstance(env, Sighted) else ShiftedEnv
    return kind(env, task, scene, ranges)


def ranges_from(text: str) -> dict[str, Range]:
    """The ranges of magnitudes that a text names.

    Raises:
        InputError: If it has another form, or a shift or a magnitude does not exist.
    """
    found: dict[str, Range] = {}
    for word in text.split(","):
        name, equals, values = word.partition("=")
        if not equals:
            raise InputError(f"shifts has '{word}'; {_FORM}, such as friction=4.")
        if name in found:
            raise InputError(f"The shift {name} is there twice; name it once.")
        shift = SHIFTS.get(name)
        low, _, high = values.partition(":")
        every = [magnitude_from(name, shift, each) for each in (low, high or low)]
        if every[0] > every[1]:
            raise InputError(
                f"{name}={values} has the greater magnitude first; give"
                f" {every[1]:g}:{every[0]:g}."
            )
        found[name] = every[0], every[1]
    return found


def magnitude_from(name: str, shift: Shift, value: str | float) -> float:
    """A magnitude of a shift, checked.

    Raises:
        InputError: If it is no number, or not in the range of the shift.
    """
    whole = "whole " if shift.whole else ""
    try:
        number = float(value)
        fits = shift.least <= number <= shift.most
    except ValueError:
        number, fits = 0.0, False
    if not fits or (shift.whole and number != int(number)):
        raise InputError(
            f"{name} is {value}; give a {whole}number from {shift.least:g} to"
            f" {shift.most:g} [{shift.unit}]; {shift.none:g} changes nothing."
        )
    return number


def possible(suite: Suite) -> tuple[str, ...]:
    """Names of the shifts that a suite can do."""
    able = _able(suite)
    return tuple(name for name in SHIFTS.names() if SHIFTS.get(name).needs in able)


def check_possible(suite: Suite, name: str) -> None:
    """Refuses a shift that a suite cannot do.

    Raises:
        InputError: If there is no such shift, or the suite lacks what it changes; names
            those that it can do.
    """
    needs = SHIFTS.get(name).needs
    if needs not in _able(suite):
        raise InputError(
            f"{suite.name} cannot do the shift '{name}': {_LACKS[needs]}. It can do"
            f" {', '.join(possible(suite))}."
        )


_LACKS: Mapping[Need, str] = {
    "positions": "the suite does not say where things are in a state (geometry)",
    "physics": "its simulator offers no model of MuJoCo that an episode can change",
    "start": "its envs cannot start the hand elsewhere",
    "pictures": "its observations hold no pictures of MuJoCo; give --cameras, where it has"
    " any",
    "table": "its observations hold no pictures of a table that is known; give --cameras,"
    " where it has any",
}


def _able(suite: Suite) -> set[Need]:
    """What of a suite shifts can change."""
    able: set[Need] = {"actions", *getattr(suite, "alterable", ())}
    if hasattr(suite, "geometry"):
        able.add("positions")
    return able


def shifted(variant: str, **options: Any) -> ShiftedSuite:
    """A suite under shifts.

    Args:
        variant: The shifts and the full name of the suite, with a slash between them.
        **options: Those of the suite.

    Raises:
        InputError: If a shift, a magnitude, the suite or an option is unknown, or the
            suite cannot do a shift.
    """
    shifts, _, name = variant.partition("/")
    if name.startswith("shifted/"):
        raise InputError(
            f"shifted/{variant} shifts a shifted suite; name all shifts at once: {_FORM}."
        )
    if shifts != RANDOMISED:
        ranges_from(shifts)  # Before the suite: it is what was mistyped, if anything.
    return ShiftedSuite(named_suite(name, **options), shifts)


shifted.variants = {  # type: ignore[attr-defined]
    f"{RANDOMISED}/<suite>": "The tasks of a suite under randomised shifts",
    **{
        f"{name}=<{SHIFTS.get(name).unit}>/<suite>": SHIFTS.get(name).line
        for name in SHIFTS.own()
    },
}
