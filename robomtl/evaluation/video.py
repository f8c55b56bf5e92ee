"""Videos of an evaluation's trials, which are replayed to be filmed."""

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
from robomtl.evaluation.watched_replay import (
    RecordedTrial,
    Replay,
    StepState,
    difference,
    recorded_trials,
)
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor, Failure
from robomtl.files.durable import discard_partial, replacing, write_json
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.files.request import differences, plain
from robomtl.files.untrusted import read_json
from robomtl.names import file_name
from robomtl.plug_in import calling, inspection_env
from robomtl.progress import progress
from robomtl.task import Env, Suite, Trial, first_task

VIDEOS = "videos"
"""Name of the folder of videos, within the folder of the evaluation."""

_CAMERA = "camera.json"
_RATE = 30  # Images per second, about; of faster envs, not every step is shown.
_TOGETHER = 3  # Trials filmed in lockstep: the renderer of each needs 50 MB.

VideoSelection = Literal["examples", "failures", "all"] | int


@dataclass(frozen=True, kw_only=True)
class Film:
    """Trial that was requested to be filmed."""

    record: Record
    """Record of the trial in the evaluation."""
    path: Path
    """Path of its video, which exists unless there is a fault."""
    fault: str | None = None
    """Reason why it has no video; None if it has one."""


class _Reel(NamedTuple):
    """Trials of a chunk that are filmed in lockstep."""

    chunk: Chunk
    lengths: dict[int, int]
    """Number of steps of each trial, by row of the chunk."""


class _Take(NamedTuple):
    """Outcome and video of a filmed trial."""

    outcome: Outcome
    video: bytes


class _Filming:
    """Films a trial of a known number of steps, so that the video plays in real time."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._stride = 1
        self._mp4: Mp4 | None = None

    def __call__(self, env: Env, moment: StepState) -> None:
        if self._mp4 is None:
            steps = Fraction(env.metadata.get("render_fps", _RATE))
            self._stride = max(1, round(steps / _RATE))
            self._mp4 = Mp4((steps / self._stride).limit_denominator(1000))
        if moment.step % self._stride == 0 or moment.step == self._length:
            self._mp4.add(take_picture(env))

    def finish(self) -> bytes:
        """Content of the video file; empty if the trial never began."""
        return self._mp4.finish() if self._mp4 else b""


class _FilmReel:
    """Films the trials of reels, in a worker process."""

    def __init__(
        self, agent: Agent, suite: Suite, camera_suite: Suite, until: Until
    ) -> None:
        self._replay = Replay(agent, suite, camera_suite, until)

    def __call__(self, reel: _Reel) -> list[_Take]:
        filming = {row: _Filming(length) for row, length in reel.lengths.items()}
        outcomes = self._replay(reel.chunk, filming)
        return [_Take(outcomes[row], each.finish()) for row, each in filming.items()]


def video_path(folder: Path | str, record: Record) -> Path:
    """Path of a trial's video, whether it exists or not.

    Args:
        folder: Folder of the evaluation.
        record: Record of the trial.
    """
    name = f"{record.variation}-{record.repeat}.mp4"
    return Path(folder) / VIDEOS / file_name(record.task) / name


def find_videos(folder: Path, results: Results) -> dict[Trial, Path]:
    """Existing videos of an evaluation by trial, those of failures first.

    Args:
        folder: Folder of the evaluation.
        results: Results of the evaluation.
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
    """Adds a camera to a suite, and renders an image to check it; returns the new suite.

    Raises:
        ValueError: If the suite refuses the camera or cannot render.
        PlugInError: If an env cannot be made, reset or rendered.
        ImportError: If the extra ``video`` or a library for rendering is missing; says how
            to install it.
    """
    load_av()
    camera_suite = with_camera(suite, camera)
    task = first_task(camera_suite).name
    variation = camera_suite.variations(task, "fresh")[0]
    with inspection_env(camera_suite, task) as env:
        with calling(f"No picture of '{task}' of {camera_suite.name} can be taken"):
            env.reset(options={"variation": variation})
            take_picture(env)
    return camera_suite


def check_number(trials: VideoSelection) -> None:
    """Refuses a number of videos below 1.

    Raises:
        InputError: If ``trials`` is a number below 1.
    """
    if isinstance(trials, int) and trials < 1:
        raise InputError(
            f"{trials} videos of each task were requested; give at least 1."
        )


@checked
def film(
    agent: Agent,
    suite: Suite,
    folder: Path | str,
    *,
    trials: VideoSelection = "failures",
    camera: Camera = OWN,
    compute: Compute | None = None,
) -> tuple[Film, ...]:
    """Films trials of a finished evaluation, each as an mp4 in the evaluation's folder.

    A trial is replayed in its chunk, as it was evaluated. If its outcome differs, it has a
    fault instead of a video. Existing videos are kept.

    Args:
        agent: Agent that was evaluated.
        suite: Suite of the evaluation.
        folder: Folder of the evaluation; see ``video_path`` for the files.
        trials: ``examples``, a failure and a success, of the same task if possible;
            ``failures``; ``all``; or a number, for the first trials of each task.
            Trials that ended in an error are never filmed.
        camera: Camera; fields that are None are chosen by the suite.
        compute: Processes or cluster, and time limit of a step.

    Returns:
        A film for each requested trial, in the order of the records.

    Raises:
        ValueError: If the folder has no evaluation of this agent in this suite, or has
            videos of another camera, or the suite cannot render.
        ImportError: If the extra ``video`` or a library for rendering is missing.
    """
    path, executor = located(folder), (compute or Compute()).playing
    results = Results.read(path)
    setting = results.setting
    chosen = list(
        _chosen(recorded_trials(results, agent, suite), trials, setting.criterion)
    )
    camera_suite = check_filming(suite, camera)
    with locked(path):
        claim_camera(path / VIDEOS, camera)
        for each in {video_path(path, trial.record).parent for trial in chosen}:
            discard_partial(each)
        missing = [
            each for each in chosen if not video_path(path, each.record).exists()
        ]
        work = _FilmReel(agent, suite, camera_suite, setting.until)
        faults = _shoot(path, missing, work, executor)
    return tuple(
        Film(
            record=trial.record,
            path=video_path(path, trial.record),
            fault=faults.get(trial.record),
        )
        for trial in chosen
    )


def _chosen(
    played: Sequence[RecordedTrial], trials: VideoSelection, criterion: Criterion
) -> Iterator[RecordedTrial]:
    """Yields the trials to be filmed."""
    check_number(trials)
    finished = [trial for trial in played if trial.record.error is None]
    if trials == "examples":
        yield from _examples(finished, criterion)
        return
    for _, group in groupby(finished, key=lambda trial: trial.record.task):
        members = list(group)
        if trials == "failures":
            yield from (each for each in members if not each.record.solved(criterion))
        else:
            yield from members[: trials if isinstance(trials, int) else None]


def _examples(
    finished: Sequence[RecordedTrial], criterion: Criterion
) -> Iterator[RecordedTrial]:
    """Yields the longest failure and success, of the same task if one has both."""
    by_length = sorted(finished, key=lambda trial: -(trial.record.length or 0))
    solved = [trial for trial in by_length if trial.record.solved(criterion)]
    failed = [trial for trial in by_length if not trial.record.solved(criterion)]
    tasks = {trial.record.task for trial in solved}
    mixed = [trial for trial in failed if trial.record.task in tasks] or failed
    yield from mixed[:1]
    same = [
        each for each in solved if mixed and each.record.task == mixed[0].record.task
    ]
    yield from (same or solved)[:1]


def claim_camera(folder: Path, camera: Camera) -> None:
    """Records the camera of a folder's videos; refuses another one than is recorded."""
    path, requested = folder / _CAMERA, plain(camera)
    if not path.exists():
        write_json(path, requested)
    differing = list(differences(read_json(path, dict[str, Any]), requested))
    if differing:
        listed = "; ".join(each.phrase() for each in differing)
        raise InputError(
            f"{folder} has videos of another camera: {listed}. Give the same one, or"
            " remove the folder to film again."
        )


def _shoot(
    folder: Path, missing: Sequence[RecordedTrial], work: _FilmReel, executor: Executor
) -> dict[Record, str]:
    """Films trials; returns the faults of those without a video."""
    reels = list(_reels(missing))
    items = [_Reel(reel[0].chunk, _lengths(reel)) for reel in reels]
    faults: dict[Record, str] = {}
    with progress("Videos", len(missing)) as advance:
        for index, takes in executor.map(work, items):
            for number, trial in enumerate(reels[index]):
                fault = _kept(folder, trial.record, takes, number)
                if fault:
                    faults[trial.record] = fault
            advance(len(reels[index]))
    return faults


def _reels(missing: Sequence[RecordedTrial]) -> Iterator[tuple[RecordedTrial, ...]]:
    for _, group in groupby(missing, key=lambda trial: trial.chunk):
        members = tuple(group)
        for start in range(0, len(members), _TOGETHER):
            yield members[start : start + _TOGETHER]


def _lengths(trials: Sequence[RecordedTrial]) -> dict[int, int]:
    return {trial.row: trial.record.length or 0 for trial in trials}


def _kept(
    folder: Path, record: Record, takes: list[_Take] | Failure, number: int
) -> str:
    """Writes a video if the replay equals the record; returns the fault, empty if none."""
    if isinstance(takes, Failure):
        return takes.reason
    fault = difference(record, takes[number].outcome)
    if not fault:
        with replacing(video_path(folder, record)) as temporary:
            temporary.write_bytes(takes[number].video)
    return fault
