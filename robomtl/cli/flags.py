"""Flags shared by several verbs."""

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
    """Class decorator: the help lists a verb's own flags before inherited ones."""
    every, own = flags.__dataclass_fields__, flags.__annotations__  # pyrefly: ignore[missing-attribute]
    shared = {name: field for name, field in every.items() if name not in own}
    flags.__dataclass_fields__ = {  # pyrefly: ignore[missing-attribute]
        **{name: every[name] for name in own},
        **shared,
    }
    return flags


@dataclass(frozen=True, kw_only=True)
class TaskFlags:
    """Options of a suite except those of pictures; the suite has its own defaults."""

    suite_options: tuple[str, ...] = ()
    """Options of the suite, each NAME=VALUE, such as goals=hidden; see `robomtl list
    SUITE`. The flags below are options of several suites."""
    goals: Literal["observable", "hidden"] | None = None
    """Whether the state contains the goal, if the suite supports both."""
    horizon: int | None = None
    """Number of steps after which an episode ends."""
    images: int | None = None
    """Width and height of the images in observations, if the suite has images [px]."""
    starts: Literal["fixed", "varied"] | None = None
    """Whether several variations share a goal and have different initial states (varied)."""
    train_tasks: tuple[str, ...] | None = None
    """Tasks to train on, if the suite lets them be chosen, as metaworld/custom does."""
    held_out_tasks: tuple[str, ...] | None = None
    """Tasks to hold out, if the suite lets them be chosen."""
    upstream: tyro.conf.FlagCreatePairsOff[bool] = False
    """Run the simulator's own env unmodified, as metaworld can: slower, with equal results."""

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given, except ``suite_options``."""
        return _given(self, TaskFlags)

    def make(self, name: str, defaults: Mapping[str, Any] | None = None) -> Suite:
        """Builds the suite of this name with the given options.

        Args:
            name: Full name of the suite.
            defaults: Options to use where no flag was given.

        Raises:
            InputError: If the suite is unknown or does not have an option, or an option is
                given twice.
        """
        own = options_from(name, self.suite_options)
        twice = sorted(own.keys() & self.given)
        if twice:
            raise InputError(
                f"{twice[0]} is given twice, by a flag and in --suite-options; leave one"
                " out."
            )
        return suite(name, **{**(defaults or {}), **self.given, **own})


def _given(flags: TaskFlags, kind: type[TaskFlags]) -> dict[str, Any]:
    """The options of a class of flags whose values differ from the defaults."""
    own = {each.name for each in fields(kind)} - {"suite_options"}
    return {name: getattr(flags, name) for name in changed(flags) if name in own}


@dataclass(frozen=True, kw_only=True)
class SuiteFlags(TaskFlags):
    """Options of a suite; the suite has its own defaults."""

    cameras: tuple[str, ...] | None = None
    """Cameras to observe, such as corner2-close gripperPOV."""
    size: int | None = None
    """Width and height of the pictures [px]; 84 by default."""
    profile: Profile | None = None
    """Rendering: fast (default), without shadows, reflections and anti-aliasing; faithful,
    with the simulator's own settings."""

    @property
    def given(self) -> dict[str, Any]:
        """The options that were given, except ``suite_options``."""
        return _given(self, SuiteFlags)


@dataclass(frozen=True, kw_only=True)
class VideoFlags:
    """Trials to film, and settings of the videos."""

    video: Literal["examples", "failures", "all"] | int | None = None
    """Film trials: examples (a failure and a success), failures, all, or a number per task.
    Needs robomtl[video]."""
    video_profile: Profile | None = None
    """Rendering: fast, without shadows and reflections; faithful, with the simulator's own
    settings."""
    video_camera: str | None = None
    """Camera of the suite, such as corner2."""
    video_size: tuple[int, int] | None = None
    """Width and height of videos [px]."""

    def make_camera(self) -> Camera:
        """The camera of the videos; the suite chooses settings that are not given."""
        width, height = self.video_size or (None, None)
        return Camera(
            name=self.video_camera,
            profile=self.video_profile,
            width=width,
            height=height,
        )

    def check_video(self) -> None:
        """Refuses settings of videos if none is requested.

        Raises:
            InputError: If there are any.
        """
        settings = "video_camera", "video_profile", "video_size"
        given = [name for name in settings if getattr(self, name) is not None]
        if self.video is None and given:
            raise InputError(
                f"Without --video, {flags_of(given)} would have no effect; add --video"
                " examples, failures, all or a number."
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
    """Names of fields as flags of the command line, with commas between them."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in names)


def given(arguments: Sequence[str], flag: str) -> str | None:
    """The value of a flag in the arguments; None if the flag is not given."""
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
    """Largest standard deviation of the noise on the experts' actions while collecting, by
    default 0.5."""
    out: Path | None = None
    """Folder of the results; a dated one under runs/ by default."""

    def noise_or(self, usual: float) -> float:
        """The noise for collecting demonstrations.

        Args:
            usual: Default for a noise that is not given.

        Raises:
            InputError: If noise was given together with recorded demonstrations.
        """
        refuse_noise(self.data, self.noise)
        return usual if self.noise is None else self.noise


def refuse_noise(data: Path | None, noise: object) -> None:
    """Refuses noise on experts' actions together with recorded demonstrations.

    Args:
        data: Recorded demonstrations; None to collect them.
        noise: Value of --noise; None if it was not given.

    Raises:
        InputError: If both were given.
    """
    if data is not None and noise is not None:
        raise InputError(
            f"{data} is recorded already, so --noise would have no effect; leave out"
            " --noise or --data."
        )
