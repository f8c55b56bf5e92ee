"""Flags that several verbs share."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeVar

import tyro

from robomtl.acting.actor import Agent, Conditioned
from robomtl.camera import Camera, Profile
from robomtl.cli.suite_options import options_from
from robomtl.errors import InputError
from robomtl.goals import goal_warning
from robomtl.suites import suite
from robomtl.task import Suite

Flags = TypeVar("Flags", bound=type[Any])


def own_first(flags: Flags) -> Flags:
    """A verb's dataclass of flags, whose help lists the verb's own flags before shared ones."""
    every, own = flags.__dataclass_fields__, flags.__annotations__  # pyrefly: ignore[missing-attribute]
    shared = {name: field for name, field in every.items() if name not in own}
    flags.__dataclass_fields__ = {  # pyrefly: ignore[missing-attribute]
        **{name: every[name] for name in own},
        **shared,
    }
    return flags


@dataclass(frozen=True, kw_only=True)
class TaskFlags:
    """Options of a suite without those of pictures; those left out keep the defaults."""

    suite_options: tuple[str, ...] = ()
    """Options that the suite's factory takes, NAME=VALUE each, such as goals=hidden;
    see `robomtl list SUITE`. The flags below are those of several suites."""
    goals: Literal["observable", "hidden"] | None = None
    """Whether the state shows the goal, where the suite leaves the choice."""
    horizon: int | None = None
    """Steps after which an episode ends."""
    images: int | None = None
    """Width and height of the images in observations, where a suite has them [px]."""
    starts: Literal["fixed", "varied"] | None = None
    """Whether several variations share a goal and start otherwise."""
    train_tasks: tuple[str, ...] | None = None
    """Tasks to train on, where the suite lets them be chosen, as metaworld/custom does."""
    held_out_tasks: tuple[str, ...] | None = None
    """Names of the tasks that are held out."""
    upstream: tyro.conf.FlagCreatePairsOff[bool] = False
    """Run the simulator's own env unmodified, as metaworld can: slower, with the same results."""

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given, but for ``suite_options``."""
        return _given(self, TaskFlags)

    def make(self, name: str, defaults: Mapping[str, Any] | None = None) -> Suite:
        """The suite of this name with the given options.

        Args:
            name: Full name of the suite.
            defaults: Options to use where no flag was given.

        Raises:
            ValueError: If the suite is unknown or does not take an option.
        """
        own = options_from(name, self.suite_options)
        twice = sorted(own.keys() & self.given)
        if twice:
            raise InputError(
                f"{twice[0]} is given twice, by a flag and in --suite-options; leave out"
                " either."
            )
        return suite(name, **{**(defaults or {}), **self.given, **own})


def _given(flags: TaskFlags, kind: type[TaskFlags]) -> dict[str, Any]:
    """The options of a class of flags whose values differ from the defaults."""
    own = {each.name for each in fields(kind)} - {"suite_options"}
    return {name: getattr(flags, name) for name in changed(flags) if name in own}


@dataclass(frozen=True, kw_only=True)
class SuiteFlags(TaskFlags):
    """Options of a suite; those left out keep the suite's own defaults."""

    cameras: tuple[str, ...] | None = None
    """Cameras whose pictures observations hold, such as corner2-close gripperPOV."""
    size: int | None = None
    """Width and height of these pictures, 84 unless given [px]."""
    profile: Profile | None = None
    """How they are drawn: fast (default), without shadows, reflections and smooth edges;
    faithful, as the simulator shows itself."""

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given, but for ``suite_options``."""
        return _given(self, SuiteFlags)


@dataclass(frozen=True, kw_only=True)
class VideoFlags:
    """Which trials are filmed, and how."""

    video: Literal["examples", "failures", "all"] | int | None = None
    """Film trials: examples (a failure and a success), failures, all, or how many of
    each task. Needs robomtl[video]."""
    video_profile: Profile | None = None
    """fast: without shadows and reflections; faithful: as the simulator shows itself."""
    video_camera: str | None = None
    """Camera of the suite, such as corner2."""
    video_size: tuple[int, int] | None = None
    """Width and height of videos [px]."""

    def make_camera(self) -> Camera:
        """The camera; what is not given is left to the suite."""
        width, height = self.video_size or (None, None)
        return Camera(
            name=self.video_camera,
            profile=self.video_profile,
            width=width,
            height=height,
        )

    def check_video(self) -> None:
        """Refuses settings of films where none is requested.

        Raises:
            InputError: If there are any.
        """
        settings = "video_camera", "video_profile", "video_size"
        given = [name for name in settings if getattr(self, name) is not None]
        if self.video is None and given:
            raise InputError(
                f"Without --video nothing is filmed, so {flags_of(given)} would do nothing; add"
                " --video examples, failures, all or a number."
            )


def warn_of_goals(agent: Agent, suite: Suite, tasks: Sequence[str] | None) -> None:
    """Warns on stderr if a policy is conditioned on goals that do not distinguish tasks."""
    if isinstance(agent, Conditioned):
        said = goal_warning(agent.conditioning_kinds, suite, tasks)
        if said:
            print(said, file=sys.stderr)


def changed(flags: Any) -> list[str]:
    """Names of the fields whose values differ from their defaults."""
    return [f.name for f in fields(flags) if getattr(flags, f.name) != f.default]


def flags_of(names: Iterable[str]) -> str:
    """Fields as the flags of the command line, with commas between them."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def given(arguments: Sequence[str], flag: str) -> str | None:
    """The value that the arguments give a flag; None if it is not among them."""
    for word, following in pairwise([*arguments, ""]):
        if word == flag:
            return following
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


@dataclass(frozen=True, kw_only=True)
class RecordingFlags:
    """Demonstrations of an experiment, and the folder of its results."""

    data: Path | None = None
    """Demonstrations; collected by default."""
    noise: float | None = None
    """Noise on the experts' actions while collecting; 0.5 by default."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default."""

    def noise_or(self, usual: float) -> float:
        """The noise with which missing demonstrations are collected.

        Args:
            usual: Taken where none is given.

        Raises:
            InputError: If noise was given beside demonstrations that are recorded already.
        """
        refuse_noise(self.data, self.noise)
        return usual if self.noise is None else self.noise


def refuse_noise(data: Path | None, noise: object) -> None:
    """Refuses a disturbance of experts beside demonstrations that are recorded already.

    Args:
        data: The demonstrations; None to collect some.
        noise: What was given; None for nothing.

    Raises:
        InputError: If both were given.
    """
    if data is not None and noise is not None:
        raise InputError(
            f"{data} is recorded already, so --noise would do nothing; leave out either"
            " that or --data."
        )
