"""Playback of a trial in rerun's viewer: pictures, positions, numbers and success."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomtl.acting.actor import Agent
from robomtl.acting.agent import PolicyAgent
from robomtl.arguments import checked
from robomtl.camera import OWN, Camera, take_picture, with_camera
from robomtl.errors import EpisodesError, InputError
from robomtl.evaluation.experts import ExpertAgent
from robomtl.evaluation.instructions import task_infos_of
from robomtl.evaluation.results import RESULTS, Results
from robomtl.evaluation.rollout import Outcome, Until
from robomtl.evaluation.trials import Chunk, split_into_chunks
from robomtl.evaluation.watched_replay import (
    RecordedTrial,
    Replay,
    StepState,
    difference,
    recorded_trials,
)
from robomtl.extras import library
from robomtl.files.durable import replacing
from robomtl.files.paths import located
from robomtl.task import Env, Suite, Trial, find_task, training_tasks

_QUALITY = 85  # JPEG quality: a tenth of the bytes, without visible differences.


def load_rerun() -> ModuleType:
    """Imports the SDK of rerun.

    Raises:
        MissingExtraError: If it is not installed; the message names the extra.
    """
    return library("rerun", extra="view", need="Viewing needs rerun")


def is_evaluation(folder: Path) -> bool:
    """Whether a folder contains a finished evaluation."""
    return (located(folder) / RESULTS).exists()


def find_agent(folder: Path, run: Path | None = None) -> Agent:
    """The agent of an evaluation.

    Args:
        folder: Folder of the evaluation.
        run: Run directory of the policy; None to search the folder of the evaluation and
            its parent, where recipes save the policy.

    Raises:
        InputError: If no policy is found, or the policy that is found is another one.
    """
    setting = Results.read(folder).setting
    if setting.fingerprint == ExpertAgent().fingerprint:
        return ExpertAgent()
    for candidate in (folder, folder.resolve().parent) if run is None else (run,):
        try:
            agent = PolicyAgent(candidate)
        except InputError:
            if run is not None:
                raise
            continue
        if run is not None or agent.fingerprint == setting.fingerprint:
            return agent
    raise InputError(
        f"{folder} is an evaluation of '{setting.agent}', which was not found there; name"
        " its run directory: --run DIR."
    )


def recorded_trial(
    folder: Path,
    agent: Agent,
    suite: Suite,
    *,
    task: str | None = None,
    variation: int | None = None,
    repeat: int | None = None,
) -> RecordedTrial:
    """The first failed trial of an evaluation that matches, or else the first that matches.

    Args:
        folder: Folder of the evaluation.
        agent: Agent that was evaluated.
        suite: Suite in which it was evaluated.
        task: Name of the task; any if None.
        variation: Variation; any if None.
        repeat: Number of the repeat; any if None.

    Raises:
        InputError: If no trial with an outcome matches, or agent or suite differ from
            those of the evaluation.
    """
    requested = {"task": task, "variation": variation, "repeat": repeat}
    given = {key: value for key, value in requested.items() if value is not None}
    if task is not None:
        find_task(suite, task)
    results = Results.read(folder)
    fitting = [
        trial
        for trial in recorded_trials(results, agent, suite)
        if trial.record.error is None
        and all(getattr(trial.record, key) == value for key, value in given.items())
    ]
    if not fitting:
        wanted = (
            ", ".join(f"{key} {value}" for key, value in given.items()) or "any task"
        )
        raise InputError(f"{folder} has no trial with an outcome for {wanted}.")
    criterion = results.setting.criterion
    failed = (trial for trial in fitting if not trial.record.solved(criterion))
    return next(failed, fitting[0])


def new_trial(suite: Suite, *, task: str | None, variation: int | None) -> Chunk:
    """A new trial in a suite, with the canonical instruction.

    Args:
        suite: Any suite.
        task: Name of the task; the first training task if None.
        variation: Variation; the first of the split ``fresh`` if None.

    Raises:
        ValueError: If the task is unknown.
    """
    name = find_task(suite, task or training_tasks(suite)[0].name).name
    if variation is None:
        variation = suite.variations(name, "fresh")[0]
    trials = (Trial(suite.name, name, variation),)
    (chunk,) = split_into_chunks(trials, task_infos_of(suite, trials, "canonical"))
    return chunk


@checked
def view(
    agent: Agent,
    suite: Suite,
    trial: RecordedTrial | Chunk,
    *,
    camera: Camera | None = OWN,
    save: Path | str | None = None,
) -> Outcome:
    """Plays a trial and shows it in rerun's viewer; returns its outcome.

    Args:
        agent: Agent that acts.
        suite: Suite in which it acts.
        trial: A trial from ``recorded_trial`` or ``new_trial``.
        camera: Camera that shows the env; None for no pictures.
        save: File for rerun, ``.rrd``, to write in place of opening the viewer.

    Raises:
        InputError: If there is no display for the viewer, ``save`` is a folder, or the
            outcome of a recorded trial differs from the record; no file is then written.
        EpisodesError: If a new trial ended in an error; no file is then written.
        MissingExtraError: If the extra ``view`` or a library that renders is missing.
    """
    rerun = load_rerun()
    chunk, row = (trial, 0) if isinstance(trial, Chunk) else (trial.chunk, trial.row)
    seen = suite if camera is None else with_camera(suite, camera)
    stops = isinstance(trial, RecordedTrial) and trial.record.success_at_end is None
    until: Until = "success" if stops else "horizon"
    with _recording(rerun, None if save is None else located(save)) as recording:
        recorder = _Recorder(rerun, recording, suite, chunk.task)
        played = Replay(agent, suite, seen, until)(chunk, {row: recorder})[row]
        recorder.finish(chunk, row, played)
        if isinstance(trial, RecordedTrial) and (
            fault := difference(trial.record, played)
        ):
            raise InputError(f"The trial differs from its record: {fault}.")
        if played.error is not None:
            raise EpisodesError(
                f"The trial of '{chunk.task}' ended in an error: {played.error}."
            )
    return played


@contextmanager
def _recording(rerun: ModuleType, save: Path | None) -> Iterator[Any]:
    """A stream into the viewer, or into a file that appears when it is complete."""
    recording = rerun.RecordingStream("robomtl")
    if save is None:
        if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY"} & {
            *os.environ
        }:
            raise InputError(
                "There is no display to show the trial on; give --save FILE.rrd, and open"
                " the file on a machine with a display: rerun FILE.rrd"
            )
        recording.spawn()
        yield recording
        recording.flush()
        return
    if save.is_dir():
        raise InputError(
            f"{save} is a folder; give a file to write, such as {save / 'trial.rrd'}."
        )
    with replacing(save) as temporary:
        recording.save(temporary)
        try:
            yield recording
        finally:
            recording.disconnect()


class _Recorder:
    """Logs the steps of one trial to rerun.

    Args:
        rerun: The SDK of rerun.
        recording: Stream to which the steps are logged.
        suite: Suite of the trial, which may declare positions in the state.
        task: Name of the task.
    """

    def __init__(
        self, rerun: ModuleType, recording: Any, suite: Suite, task: str
    ) -> None:
        self._rerun = rerun
        self._recording = recording
        find: Callable[[str], Mapping[str, slice]] | None = getattr(
            suite, "positions", None
        )
        self._positions = {} if find is None else find(task)
        self._paths: dict[str, list[NDArray[np.float32]]] = {
            name: [] for name in self._positions
        }
        self._has_pictures = False

    def __call__(self, env: Env, moment: StepState) -> None:
        rerun, recording = self._rerun, self._recording
        if moment.step == 0:
            self._begin(env, moment)
        recording.set_time("step", sequence=moment.step)
        if rate := env.metadata.get("render_fps"):
            recording.set_time("time", duration=moment.step / rate)
        if self._has_pictures:
            picture = rerun.Image(take_picture(env)).compress(jpeg_quality=_QUALITY)
            recording.log("camera", picture)
        for name, where in self._positions.items():
            self._paths[name].append(_in_space(moment.observation["state"][where]))
            point = rerun.Points3D(self._paths[name][-1:], radii=0.01, labels=[name])
            recording.log(f"positions/{name}", point)
        recording.log("state", rerun.Scalars(moment.observation["state"]))
        recording.log("success", rerun.Scalars(float(moment.success)))
        if moment.action is not None:
            recording.log("action", rerun.Scalars(moment.action))
            recording.log("reward", rerun.Scalars(moment.reward))

    def finish(self, chunk: Chunk, row: int, outcome: Outcome) -> None:
        """Logs the whole paths, and the outcome of the trial."""
        for name, path in self._paths.items():
            line = self._rerun.LineStrips3D([path])
            self._recording.log(f"positions/{name}/path", line, static=True)
        task_info, trial = chunk.task_infos[row], chunk.trials[row]
        lines = {**vars(trial), "instruction": task_info.instruction, **asdict(outcome)}
        text = "\n".join(f"- {key}: {value}" for key, value in lines.items())
        document = self._rerun.TextDocument(text, media_type="text/markdown")
        self._recording.log("trial", document, static=True)

    def _begin(self, env: Env, moment: StepState) -> None:
        self._has_pictures = env.render_mode == "rgb_array"
        names = [str(index) for index in range(moment.observation["state"].size)]
        for what, where in self._positions.items():
            for axis, index in zip("xyz", range(where.start, where.stop), strict=False):
                names[index] = f"{what} {axis}"
        lines = self._rerun.SeriesLines(names=names)
        self._recording.log("state", lines, static=True)
        upwards = self._rerun.ViewCoordinates.RIGHT_HAND_Z_UP
        self._recording.log("positions", upwards, static=True)
        self._recording.send_blueprint(self._blueprint())

    def _blueprint(self) -> Any:
        """Layout of the viewer."""
        import rerun.blueprint as views

        left: list[Any] = []
        if self._has_pictures:
            left.append(views.Spatial2DView(origin="camera", name="camera"))
        if self._positions:
            left.append(views.Spatial3DView(origin="positions", name="positions"))
        right: list[Any] = [
            views.TimeSeriesView(origin=name, name=name)
            for name in ("success", "reward", "action", "state")
        ]
        right.append(views.TextDocumentView(origin="trial", name="trial"))
        columns = [views.Vertical(*column) for column in (left, right) if column]
        return views.Blueprint(views.Horizontal(*columns))


def _in_space(position: NDArray[np.float32]) -> NDArray[np.float32]:
    """A position in 3 dimensions, with z = 0 for a position in a plane; (3,)."""
    return np.pad(position, (0, 3 - len(position)))
