"""Videos of an evaluation's trials, which are played again to be filmed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

from robomtl.acting.actor import Agent
from robomtl.arguments import checked
from robomtl.camera import OWN, Camera, take_picture, with_camera
from robomtl.errors import InputError
from robomtl.evaluation.mp4 import Mp4, load_av
from robomtl.evaluation.records import Record
from robomtl.evaluation.results import Results
from robomtl.evaluation.rollout import Criterion, Outcome, Until
from robomtl.evaluation.trials import Chunk
from robomtl.evaluation.watched_replay import Moment, Place, Replay, difference, places
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor, Failure
from robomtl.files.durable import discard_partial, replacing, write_json
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import differences, plain
from robomtl.files.untrusted import read_json
from robomtl.names import file_name
from robomtl.plug_in import calling, inspected
from robomtl.progress import progress
from robomtl.task import Env, Suite, Trial

VIDEOS = "videos"
"""Folder of an evaluation's videos, in its own."""

_CAMERA = "camera.json"
_RATE = (
    30  # Pictures a second, about; an env that steps faster is not seen at each step.
)
_TOGETHER = 3  # Trials filmed side by side: what draws one takes 50 MB.

Which = Literal["examples", "failures", "all"] | int


@dataclass(frozen=True, kw_only=True)
class Film:
    """A trial that was to be filmed."""

    record: Record
    """How it went in the evaluation."""
    path: Path
    """Where its video is, if it has one."""
    fault: str | None = None
    """Why it has no video; None if it has one."""


class _Reel(NamedTuple):
    """Trials of a chunk that are filmed side by side."""

    chunk: Chunk
    lengths: dict[int, int]
    """Steps of each, by row of the chunk."""


class _Take(NamedTuple):
    """A trial as it was filmed."""

    outcome: Outcome
    video: bytes


class _Filming:
    """Watches a trial of a known number of steps, and films it in real time."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._stride = 1
        self._mp4: Mp4 | None = None

    def __call__(self, env: Env, moment: Moment) -> None:
        if self._mp4 is None:
            steps = Fraction(env.metadata.get("render_fps", _RATE))
            self._stride = max(1, round(steps / _RATE))
            self._mp4 = Mp4((steps / self._stride).limit_denominator(1000))
        if moment.step % self._stride == 0 or moment.step == self._length:
            self._mp4.add(take_picture(env))

    def finish(self) -> bytes:
        """The video; empty if the trial never began."""
        return self._mp4.finish() if self._mp4 else b""


class _FilmReel:
    """Films the trials of reels, in a worker process."""

    def __init__(self, agent: Agent, suite: Suite, seen: Suite, until: Until) -> None:
        self._replay = Replay(agent, suite, seen, until)

    def __call__(self, reel: _Reel) -> list[_Take]:
        filming = {row: _Filming(length) for row, length in reel.lengths.items()}
        outcomes = self._replay(reel.chunk, filming)
        return [_Take(outcomes[row], each.finish()) for row, each in filming.items()]


def video_path(folder: Path | str, record: Record) -> Path:
    """The path of a trial's video, whether it exists or not.

    Args:
        folder: The evaluation's.
        record: The trial's.
    """
    name = f"{record.variation}-{record.repeat}.mp4"
    return Path(folder) / VIDEOS / file_name(record.task) / name


def find_videos(folder: Path, results: Results) -> dict[Trial, Path]:
    """The videos of an evaluation that are there, those of failures first.

    Args:
        folder: The evaluation's.
        results: What is in it.
    """
    failed_first = sorted(
        results.records,
        key=lambda record: bool(record.solved(results.setting.criterion)),
    )
    paths = {
        Trial(record.suite, record.task, record.variation, record.repeat): video_path(
            folder, record
        )
        for record in failed_first
    }
    return {trial: path for trial, path in paths.items() if path.exists()}


def check_filming(suite: Suite, camera: Camera) -> Suite:
    """The suite with the camera, of which a picture was taken to see that it can be.

    Raises:
        ValueError: If the suite does not take the camera or shows no pictures.
        PlugInError: If an env cannot be made, reset or drawn.
        ImportError: If the extra ``video`` or a library that draws is missing; says how
            to install it.
    """
    load_av()
    seen = with_camera(suite, camera)
    task = seen.train_tasks[0].name
    variation = seen.variations(task, "fresh")[0]
    with inspected(seen, task) as env:
        with calling(f"No picture of '{task}' of {seen.name} can be taken"):
            env.reset(options={"variation": variation})
            take_picture(env)
    return seen


def check_number(which: Which) -> None:
    """Refuses to film no trial of a task.

    Raises:
        InputError: If a number of videos is requested that is below 1.
    """
    if isinstance(which, int) and which < 1:
        raise InputError(
            f"{which} videos of each task were requested; give at least 1."
        )


@checked
def film(
    agent: Agent,
    suite: Suite,
    folder: Path | str,
    *,
    which: Which = "failures",
    camera: Camera = OWN,
    compute: Compute | None = None,
) -> tuple[Film, ...]:
    """Films trials of a finished evaluation, each as an mp4 in its folder.

    A trial is played again, in its chunk, as it was played before. Should it end
    otherwise, it gets no video but a fault. Videos that are there already are kept.

    Args:
        agent: Who was evaluated.
        suite: In which it was.
        folder: The evaluation's; see ``video_path``.
        which: ``examples``, a failure and a success of the same task where there is
            one; ``failures``, ``all``, or how many of each task, from the first one on.
            Trials that ended in an error are never filmed.
        camera: What looks at the envs; what it leaves out is the suite's choice.
        compute: Processes or cluster, and the limit of time of a step.

    Returns:
        A film for each trial that was to be filmed, in the order of the records.

    Raises:
        ValueError: If the folder holds no evaluation of this agent in this suite, or
            videos of another camera, or the suite shows no pictures.
        ImportError: If the extra ``video`` or a library that draws is missing.
    """
    path, executor = located(folder), (compute or Compute()).playing
    results = Results.read(path)
    setting = results.setting
    chosen = list(_chosen(places(results, agent, suite), which, setting.criterion))
    seen = check_filming(suite, camera)
    with locked(path):
        claim_camera(path / VIDEOS, camera)
        for each in {video_path(path, place.record).parent for place in chosen}:
            discard_partial(each)
        missing = [p for p in chosen if not video_path(path, p.record).exists()]
        work = _FilmReel(agent, suite, seen, setting.until)
        faults = _shoot(path, missing, work, executor)
    return tuple(
        Film(
            record=place.record,
            path=video_path(path, place.record),
            fault=faults.get(place.record),
        )
        for place in chosen
    )


def _chosen(
    played: Sequence[Place], which: Which, criterion: Criterion
) -> Iterator[Place]:
    """The trials to be filmed; refuses what names none."""
    check_number(which)
    whole = [place for place in played if place.record.error is None]
    if which == "examples":
        yield from _examples(whole, criterion)
        return
    for _, group in groupby(whole, key=lambda place: place.record.task):
        members = list(group)
        if which == "failures":
            yield from (p for p in members if not p.record.solved(criterion))
        else:
            yield from members[: which if isinstance(which, int) else None]


def _examples(whole: Sequence[Place], criterion: Criterion) -> Iterator[Place]:
    """A failure and a success, of the same task where it has both; the longest ones."""
    by_length = sorted(whole, key=lambda place: -(place.record.length or 0))
    solved = [place for place in by_length if place.record.solved(criterion)]
    failed = [place for place in by_length if not place.record.solved(criterion)]
    tasks = {place.record.task for place in solved}
    mixed = [place for place in failed if place.record.task in tasks] or failed
    yield from mixed[:1]
    same = [p for p in solved if mixed and p.record.task == mixed[0].record.task]
    yield from (same or solved)[:1]


def claim_camera(folder: Path, camera: Camera) -> None:
    """Writes down the camera, so that all videos of a folder have the same."""
    path, requested = folder / _CAMERA, plain(camera)
    if not path.exists():
        write_json(path, requested)
    differing = list(differences(read_json(path, dict[str, Any]), requested))
    if differing:
        listed = "; ".join(each.phrase() for each in differing)
        raise InputError(
            f"{folder} holds videos of another camera: {listed}. Give the same one, or"
            " remove the folder to film anew."
        )


def _shoot(
    folder: Path, missing: Sequence[Place], work: _FilmReel, executor: Executor
) -> dict[Record, str]:
    """Films trials, and returns the faults of those that have no video."""
    reels = list(_reels(missing))
    items = [_Reel(some[0].chunk, _lengths(some)) for some in reels]
    faults: dict[Record, str] = {}
    with progress("Videos", len(missing)) as advance:
        for index, takes in executor.map(work, items):
            for number, place in enumerate(reels[index]):
                fault = _kept(folder, place.record, takes, number)
                if fault:
                    faults[place.record] = fault
            advance(len(reels[index]))
    return faults


def _reels(missing: Sequence[Place]) -> Iterator[tuple[Place, ...]]:
    for _, group in groupby(missing, key=lambda place: place.chunk):
        members = tuple(group)
        for start in range(0, len(members), _TOGETHER):
            yield members[start : start + _TOGETHER]


def _lengths(some: Sequence[Place]) -> dict[int, int]:
    return {place.row: place.record.length or 0 for place in some}


def _kept(
    folder: Path, record: Record, takes: list[_Take] | Failure, number: int
) -> str:
    """Keeps a video if it shows the recorded trial; else says why it does not."""
    if isinstance(takes, Failure):
        return takes.reason
    fault = difference(record, takes[number].outcome)
    if not fault:
        with replacing(video_path(folder, record)) as temporary:
            temporary.write_bytes(takes[number].video)
    return fault
