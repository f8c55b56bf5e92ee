"""Adds camera images to a data set without images, by replaying its episodes.

The executed actions are computed from the recorded labels, and from the seed and the
standard deviation of the noise that was added to them.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from robomtl.arguments import checked
from robomtl.demonstrations import layout, writing
from robomtl.demonstrations.about import read_about, read_request, read_tasks
from robomtl.demonstrations.blocks import SOLVED, Block
from robomtl.demonstrations.collected import kept_episodes
from robomtl.demonstrations.collection_request import Request
from robomtl.demonstrations.columns import scalars, truths
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.demonstrations.expert_episodes import Disturbance
from robomtl.demonstrations.layout import Sizes, Video
from robomtl.demonstrations.metadata import read_index, read_info
from robomtl.demonstrations.redrawing import Played, redrawn
from robomtl.demonstrations.staging import Staging
from robomtl.demonstrations.task_sizes import further_features
from robomtl.demonstrations.writing import Header, Recorded
from robomtl.errors import InputError, SimulationError
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor, Failure
from robomtl.execution.heartbeat import HEARTBEAT
from robomtl.files.parquet import Parquet
from robomtl.files.paths import located
from robomtl.files.request import refuse_other
from robomtl.files.untrusted import converted, read_json
from robomtl.pictures import OnDemandPictures
from robomtl.plug_in import calling, close_broken, make_env
from robomtl.progress import progress
from robomtl.suites import suite
from robomtl.task import Env, Suite, Trial


class Episode(NamedTuple):
    """A recorded episode whose images are to be rendered."""

    number: int
    """Index of the episode in the data set."""
    task: str
    recorded: Recorded


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Settings that determine the new data set."""

    request: Request
    """Request of the collection that would give the same data set."""
    source: str
    """Fingerprint of the data set without images."""

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.request.tasks

    def plain(self) -> dict[str, Any]:
        return {**self.request.plain(), "redraws": self.source}


@dataclass
class _Drawing:
    """Renders episodes in a worker process; keeps the env of the latest task."""

    suite: Suite
    request: Request
    _task: str = field(default="", init=False)
    _env: Env | None = field(default=None, init=False)

    def __call__(self, episode: Episode) -> Block | str:
        """The episode with images, or the first difference from the recorded one."""
        env, recorded = self._at(episode.task), episode.recorded
        space: Any = env.observation_space
        key = Trial(self.request.suite, episode.task, recorded.variation).seed
        disturb = Disturbance(self.request, episode.task, recorded.variation)
        executed = (disturb(action) for action in recorded.action)
        played = Played(episode.task, recorded.variation, [*recorded.state], executed)
        fault = f"'{episode.task}', variation {recorded.variation}, cannot be rendered"
        try:
            with calling(fault):
                drawn = [*redrawn(env, played, beat=lambda: HEARTBEAT.beat(key))]
        except SimulationError as error:
            return f"step {error.step}: {error.reason}"
        others = {
            name: np.stack([each[name] for each in drawn])
            for name in further_features(space)
        }
        return _block(recorded._replace(others=others))

    def _at(self, task: str) -> Env:
        if self._env is None or self._task != task:
            if self._env is not None:
                close_broken(self._env)
            self._task, self._env = task, make_env(self.suite, task)
        return self._env


def _block(recorded: Recorded) -> Block:
    """A block with one episode."""
    return Block(
        variation=np.array([recorded.variation]),
        outcome=np.array([SOLVED], np.int8),
        length=np.array([len(recorded.state)]),
        state=recorded.state,
        action=recorded.action,
        reward=recorded.reward,
        success=recorded.success,
        fps=np.array(0),
        horizon=np.array(-1),
        others=recorded.others,
    )


@checked
def add_cameras(
    data: Path | str,
    out: Path | str,
    *,
    options: Mapping[str, Any],
    video: Video | None = None,
    compute: Compute | None = None,
) -> Demonstrations:
    """Copies a data set and adds camera images to its episodes.

    The episodes are replayed with the executed actions, in the suite with cameras. The
    same call resumes interrupted work; the result equals that of ``collect`` in the suite
    with cameras.

    Args:
        data: Folder of a data set that robomtl collected.
        out: Folder of the copy, new or begun by the same call.
        options: Options of the suite that determine its images, replacing those of the
            data set: for Meta-World ``cameras``, ``size`` and ``profile``.
        video: Encoding of images; see ``CollectionConfig``.
        compute: Processes or cluster, and the time limit of a step.

    Returns:
        The copy with images.

    Raises:
        InputError: If the data set was not collected by robomtl, or has an expert's labels
            of a policy's episodes; if the suite does not accept the options or renders no
            images; if a replayed state differs from the recorded one; or if ``out``
            contains something else.
        SimulationError: If a process died or hung in every attempt.
    """
    executor = (compute or Compute()).playing
    if located(out) == located(data):
        raise InputError(
            f"{out} is the data set itself, which is not changed; give another folder for"
            " the copy with images (--out)."
        )
    source = Demonstrations(data, observe=("state",), failed="clone")
    if not (source.path / layout.ROBOMTL).exists():
        raise InputError(
            f"{source.path} {source.origin}: the suite and the executed actions of its"
            " episodes are unknown, so they cannot be replayed; collect with --cameras."
        )
    if read_about(source.path, read_tasks(source.path)).corrected:
        raise InputError(
            f"{source.path} records the expert's labels of episodes in which a policy"
            " acted, not the executed actions, so they cannot be replayed; collect with"
            " --cameras."
        )
    camera_suite = suite(str(source.suite), **{**source.suite_options, **options})
    plan = _Plan(
        request=_request(source, camera_suite, video or layout.usual_video(options)),
        source=source.fingerprint,
    )
    staging = Staging(located(out), plan)
    if (staging.out / layout.ROBOMTL).exists():
        refuse_other(staging.out, read_request(staging.out), plan.request.plain())
        staging.remove()
        return Demonstrations(staging.out)
    _check_draws(camera_suite, source.tasks[0])
    with staging.opened():
        _draw(source, staging, plan, executor, camera_suite)
        _write(source, staging, plan)
    return Demonstrations(staging.out)


def _request(source: Demonstrations, camera_suite: Suite, video: Video) -> Request:
    """The request that collects the same episodes with images.

    Raises:
        InputError: If the recorded request is damaged, or lacks a task of the data.
    """
    where = f"{source.path / layout.ROBOMTL}, its request"
    changed = {"video": video, "options": dict(camera_suite.options)}
    request = converted({**read_request(source.path), **changed}, Request, where=where)
    lacking = sorted({*source.tasks} - {*request.tasks})
    if lacking:
        raise InputError(f"{where} lacks '{lacking[0]}', which is a task of the data.")
    return request


def _check_draws(camera_suite: Suite, task: str) -> None:
    env = make_env(camera_suite, task)
    space: Any = env.observation_space
    draws = isinstance(env, OnDemandPictures)
    pictures = [name for name, each in space.spaces.items() if len(each.shape) == 3]
    close_broken(env)
    if not draws or not pictures:
        raise InputError(
            f"{camera_suite.name} with the options {dict(camera_suite.options)} observes no images;"
            " name its cameras, or the size of its images (--cameras, --images)."
        )


def _draw(
    source: Demonstrations,
    staging: Staging,
    plan: _Plan,
    executor: Executor,
    camera_suite: Suite,
) -> None:
    """Renders the episodes that are not on disk yet."""
    episodes = [*_recorded(source, plan.request)]
    left = [each for each in episodes if not staging.contains(each.task, each.number)]
    total, frames, begun = int(source.episodes.length.sum()), 0, time.monotonic()
    done = total - sum(len(each.recorded.state) for each in left)
    drawing = _Drawing(camera_suite, plan.request)
    results = executor.map(drawing, left, kind=lambda each: each.task)
    drawn = cast(Generator[tuple[int, Block | str | Failure], None, None], results)
    with progress("Rendering", total, done=done) as advance, closing(drawn):
        for index, block in drawn:
            episode = left[index]
            _refuse(source.path, episode, block)
            assert isinstance(block, Block)
            staging.save(episode.task, episode.number, block)
            frames += len(block.state)
            pace = frames / max(time.monotonic() - begun, 1e-3)
            note = f"{pace:.0f} frames/s, {episode.task}"
            advance(len(block.state), note=note)


def _refuse(folder: Path, episode: Episode, block: Block | str | Failure) -> None:
    if isinstance(block, Failure):
        variation = episode.recorded.variation
        raise SimulationError(episode.task, variation, 0, block.reason)
    if isinstance(block, str):
        raise InputError(
            f"{folder}: episode {episode.number} ({episode.task}, variation"
            f" {episode.recorded.variation}) differs when it is replayed, {block}. Its"
            " images would not show the recorded states; collect again with --cameras."
        )


def _recorded(source: Demonstrations, request: Request) -> Iterator[Episode]:
    """The episodes of a data set, without observation features besides the state."""
    reward, success = _outcomes(source.path)
    state, action, listed = source.state, source.action, source.episodes
    for number, (start, length) in enumerate(
        zip(listed.start.tolist(), listed.length.tolist(), strict=True)
    ):
        frames = slice(start, start + length)
        task = source.tasks[listed.task[number]]
        recorded = Recorded(
            request.tasks.index(task),
            int(listed.variation[number]),
            state[frames],
            action[frames],
            reward[frames],
            success[frames],
            {},  # The default, a mapping proxy, cannot be sent to a process.
        )
        yield Episode(number, task, recorded)


def _outcomes(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The reward and the success of all frames; (frame,) each."""
    info = read_info(folder)
    paths = dict.fromkeys(read_index(folder, info).files)
    names = layout.REWARD, layout.SUCCESS
    tables = [(Parquet(path, names).table(), path) for path in paths]
    reward = [scalars(table, names[0], path) for table, path in tables]
    success = [truths(table, names[1], path) for table, path in tables]
    return np.concatenate(reward).astype(np.float32), np.concatenate(success)


def _write(source: Demonstrations, staging: Staging, plan: _Plan) -> None:
    """Writes the new data set and moves it into its folder."""
    request, listed = plan.request, source.episodes
    names = [source.tasks[index] for index in listed.task]
    first = staging.load(names[0], 0)
    others = tuple((name, each.shape[1:]) for name, each in first.others.items())
    about = read_json(source.path / layout.ROBOMTL, dict[str, Any])
    sizes = Sizes(
        first.state.shape[1],
        first.action.shape[1],
        round(source.fps),
        others,
        request.video,
    )
    header = Header(
        instructions=[each["instruction"] for each in about["tasks"]],
        sizes=sizes,
        robot_type=request.suite.partition("/")[0],
        robomtl={"request": request.plain(), "tasks": about["tasks"]},
    )
    blocks = (
        (request.tasks.index(name), staging.load(name, number))
        for number, name in enumerate(names)
    )
    episodes = (e for index, block in blocks for e in kept_episodes(index, block))
    writing.write_shown(staging.fresh_folder(), header, episodes, len(names))
    staging.publish()
