"""Named streams of tasks, and their permutations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from robomtl.errors import InputError
from robomtl.evaluation.trials import select
from robomtl.nearest import unknown
from robomtl.suites import SUITES
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Tasks in the order in which they are learned."""

    line: str
    """Description in one line."""
    suite: str
    """Name of the tasks' suite."""
    tasks: tuple[str, ...]
    """Names of the tasks; a name that occurs twice is learned twice."""


_CW10 = (
    "hammer-v3",
    "push-wall-v3",
    "faucet-close-v3",
    "push-back-v3",
    "stick-pull-v3",
    "handle-press-side-v3",
    "push-v3",
    "shelf-place-v3",
    "window-close-v3",
    "peg-unplug-side-v3",
)
_MIXED = (
    "drawer-close-v3",
    "push-v3",
    "window-open-v3",
    "pick-place-v3",
    "button-press-topdown-v3",
    "shelf-place-v3",
    "door-open-v3",
    "peg-insert-side-v3",
    "sweep-into-v3",
    "stick-push-v3",
)
STREAMS = {
    "cw10": Stream(
        line="Continual World's ten tasks in their order, in Meta-World's v3",
        suite="metaworld/MT50",
        tasks=_CW10,
    ),
    "cw20": Stream(
        line="The ten tasks of cw10, followed by the same ten again",
        suite="metaworld/MT50",
        tasks=_CW10 * 2,
    ),
    "stream-10": Stream(
        line="Ten tasks, easy and hard in turns; every second one places or inserts",
        suite="metaworld/MT50",
        tasks=_MIXED,
    ),
}
"""Streams by name."""


def stream_of(
    name: str, tasks: Sequence[str] | None = None
) -> tuple[str, tuple[str, ...] | None]:
    """Name of a stream's suite, and its tasks; None for the suite's training tasks.

    Args:
        name: A name in ``STREAMS``, or that of a suite.
        tasks: Names of tasks of the suite, in the order of learning.

    Raises:
        InputError: If the stream is unknown, or ``tasks`` is given for a named one.
    """
    if name in STREAMS:
        if tasks is not None:
            raise InputError(
                f"The stream {name} has its own tasks; give a suite in its place, such as"
                f" {STREAMS[name].suite}, with tasks of it."
            )
        return STREAMS[name].suite, STREAMS[name].tasks
    if name.partition("/")[0] not in SUITES.names():
        known = [*STREAMS, "metaworld/MT10", "points/MT4"]
        raise InputError(
            f"{unknown('stream', name, known)} The name of a suite is a stream of its"
            " training tasks."
        )
    return name, None if tasks is None else tuple(tasks)


def checked_stream(suite: Suite, stream: Sequence[str] | None) -> tuple[str, ...]:
    """Names of a stream's tasks, checked; the suite's training tasks if None.

    Args:
        suite: Supplies the tasks.
        stream: Names of the tasks in the order of learning.

    Raises:
        InputError: If a task is unknown, there is only one, or a task occurs twice in a
            stream that is not in ``STREAMS``.
    """
    named = stream is not None and tuple(stream) in [s.tasks for s in STREAMS.values()]
    once = list(dict.fromkeys(stream or ())) if named else stream
    tasks = tuple(task.name for task in select(suite, once))
    if len(tasks) < 2:
        raise InputError(
            f"The stream has one task, {', '.join(tasks)}, after which nothing can be"
            " forgotten; give at least 2."
        )
    return tuple(stream or ()) if named else tasks


def ordered(stream: Sequence[str], order: int) -> tuple[str, ...]:
    """A permutation of a stream.

    Args:
        stream: Names of the tasks.
        order: Number of the permutation; 0 is the given order.
    """
    if not order:
        return tuple(stream)
    indices = np.random.default_rng(order).permutation(len(stream))
    return tuple(stream[int(index)] for index in indices)
