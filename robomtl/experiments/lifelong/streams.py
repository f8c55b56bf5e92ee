"""Named streams of tasks, and the order in which a run learns one."""

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
    """Description, in a line."""
    suite: str
    """Suite of the tasks."""
    tasks: tuple[str, ...]
    """Their names; a task that is there twice is learned twice."""


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
        line="The ten tasks of cw10, and then all of them once more",
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
    """The suite of a stream, and its tasks; None for all training tasks of the suite.

    Args:
        name: A name in ``STREAMS``, or a suite.
        tasks: Names of tasks of the suite, in their order.

    Raises:
        InputError: If there is no such stream, or a named one has other tasks.
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
            f"{unknown('stream', name, known)} Any suite is one, of its training tasks."
        )
    return name, None if tasks is None else tuple(tasks)


def checked_stream(suite: Suite, stream: Sequence[str] | None) -> tuple[str, ...]:
    """The tasks of a stream; the training tasks of the suite if None.

    Args:
        suite: Supplies the tasks.
        stream: Names of the tasks in their order.

    Raises:
        InputError: If a task is unknown, there is only one, or one is there twice and the
            stream is none of ``STREAMS``.
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
    """A stream in one of its orders.

    Args:
        stream: Names of the tasks.
        order: 0 for the order given; each other number gives another permutation.
    """
    if not order:
        return tuple(stream)
    places = np.random.default_rng(order).permutation(len(stream))
    return tuple(stream[int(place)] for place in places)
