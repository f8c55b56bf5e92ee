"""Reads a LeRobotDataset v3.0 of any tool, and refuses one that is not sound."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from robomtl.demonstrations import layout
from robomtl.demonstrations.about import About, read_about, read_tasks
from robomtl.demonstrations.contents import Contents, Episodes, Failed
from robomtl.demonstrations.data_files import read_columns
from robomtl.demonstrations.kept_frames import default_features, read_frames
from robomtl.demonstrations.marks import ROUNDING, Faults, Marks
from robomtl.demonstrations.metadata import Index, read_index, read_info
from robomtl.errors import InputError
from robomtl.features import STATE

Beyond = Literal["refuse", "clip"]

# Features that no policy observes, and that are not reported as unused.
_KEPT = ("next.done", "timestamp", "frame_index", layout.REWARD)


def _names(folder: Path, about: About, marks: Marks) -> list[str]:
    """The name of each episode's task."""
    for episode, number in enumerate(marks.task.tolist()):
        if number not in about.names:
            raise InputError(
                f"{folder}: episode {episode} has task_index {number}, which "
                f"{layout.TASKS} does not name."
            )
    return [about.names[number] for number in marks.task.tolist()]


def _position(index: Index, frame: int) -> tuple[int, int]:
    """Episode and step of a frame."""
    episode = int(np.searchsorted(index.start, frame, side="right")) - 1
    return episode, int(frame - index.start[episode])


def _check(
    folder: Path,
    about: About,
    index: Index,
    beyond: Beyond,
    marks: Marks,
    faults: Faults,
) -> None:
    """Refuses frames that cannot be learned from."""
    if faults.changed_task is not None:
        episode, step = _position(index, faults.changed_task)
        raise InputError(
            f"{folder}: episode {episode} changes its task at step {step}; robomtl needs "
            "one task per episode."
        )
    names = _names(folder, about, marks)
    for name, frame in faults.not_finite.items():
        episode, step = _position(index, frame)
        raise InputError(
            f"{folder}: '{name}' is not finite in task '{names[episode]}', episode "
            f"{episode}, step {step}."
        )
    episode = int(marks.largest.argmax())
    if beyond == "refuse" and marks.largest[episode] > 1 + ROUNDING:
        raise InputError(
            f"{folder}: an action has magnitude {marks.largest[episode]:g} in task "
            f"'{names[episode]}', episode {episode}, step {marks.largest_step[episode]}; "
            "policies act within [-1, 1]. If the simulator clips actions, read with "
            "beyond='clip' (on the command line: --beyond clip); else scale them: robomtl "
            f"import {folder} --out NEW."
        )


def read(
    folder: Path,
    beyond: Beyond = "refuse",
    failed: Failed = "omit",
    observe: Sequence[str] | None = None,
) -> Contents:
    """The demonstrations in a folder.

    Args:
        folder: Folder of a LeRobotDataset v3.0.
        beyond: Handling of actions beyond [-1, 1].
        failed: Handling, in training, of episodes that are marked as failed; those that an
            expert labelled while a policy acted are always cloned.
        observe: Names of the observation features that policies read; None for
            ``default_features``. The state is always read, too.

    Raises:
        InputError: If the folder is not such a data set, or one that is incomplete or
            contradictory or has values that cannot be learned from; the message names the
            file.
    """
    info = read_info(folder)
    instructions = read_tasks(folder)
    about = read_about(folder, instructions)
    index = read_index(folder, info)
    check = partial(_check, folder, about, index, beyond)
    observes = tuple(default_features(info) if observe is None else observe)
    reads = (STATE, *(name for name in observes if name != STATE))
    columns, marks = read_frames(folder, info, index, reads, check)
    names = _names(folder, about, marks)
    # Tasks without an episode are left out.
    tasks = tuple(dict.fromkeys(about.names[i] for i in np.unique(marks.task).tolist()))
    number = {name: i for i, name in enumerate(tasks)}
    words = {about.names[i]: instructions[i] for i in instructions}
    return Contents(
        path=folder,
        suite=about.suite,
        suite_options=about.options,
        tasks=tasks,
        instructions={name: words[name] for name in tasks},
        failures=about.failures,
        noise=about.noise,
        robot=info.robot_type or "",
        fps=info.fps,
        unused=tuple(
            sorted({*info.features} - {*_KEPT, *read_columns(info), *columns})
        ),
        observes=observes,
        # An expert's labels are right even if the policy failed.
        failed="clone" if about.corrected else failed,
        has_actions=info.has_actions,
        episodes=Episodes(
            task=np.array([number[name] for name in names]),
            start=index.start,
            length=index.length,
            variation=marks.variation,
            success=marks.success,
        ),
        columns=columns,
        first=index.start,
    )
