"""The few demonstrations of a new task that adaptation may use."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from robomtl.checkpoint import Card
from robomtl.demonstrations import Demonstrations
from robomtl.errors import InputError
from robomtl.ranges import check_types, settings
from robomtl.suites import suite, unshifted
from robomtl.task import Task, find_task


@settings
@dataclass(frozen=True, kw_only=True, eq=False)
class Support:
    """Demonstrations of one task, and what is known of others."""

    demonstrations: Demonstrations
    """Episodes of one task."""
    prior: Demonstrations | None = None
    """Demonstrations the policy was trained on, for methods that look at them again."""

    def __post_init__(self) -> None:
        """Checks what needs no policy.

        Raises:
            InputError: If there is no episode, a failed one, one of another task, or one
                without actions.
        """
        check_types(self)
        given = self.demonstrations
        given.check_actions("adaptation")
        if not len(given):
            raise InputError("The support holds no demonstration; give at least 1.")
        if len(given.tasks) != 1:
            raise InputError(
                f"The support holds {', '.join(given.tasks)}; give demonstrations of 1"
                " task, as demonstrations.select(tasks=[name]) has them."
            )
        failed = np.flatnonzero(~given.episodes.success)
        if len(failed):
            raise InputError(
                f"{len(failed)} of the {len(given)} demonstrations of '{self.name}' do"
                f" not succeed (the first has index {failed[0]}); leave them out."
            )

    @property
    def name(self) -> str:
        """Name of the task."""
        return self.demonstrations.tasks[0]

    @property
    def shots(self) -> int:
        """Number of demonstrations."""
        return len(self.demonstrations)

    @property
    def task(self) -> Task:
        """The task with its wordings; the data set's own where no suite is named."""
        given = self.demonstrations
        if given.suite is None:
            return Task(name=self.name, instructions=(given.instructions[self.name],))
        return find_task(suite(given.suite, **given.suite_options), self.name)


def draw_support(
    demonstrations: Demonstrations, task: str, *, shots: int, draw: int
) -> Support:
    """Some demonstrations of a task, drawn without replacement.

    The demonstrations of fewer shots are among those of more, of the same draw.

    Args:
        demonstrations: Those to draw from.
        task: Name of the task.
        shots: How many.
        draw: Number of the draw; each is another one.

    Raises:
        InputError: If the task is unknown, or there are fewer demonstrations.
    """
    if shots < 1:
        raise InputError(f"shots is {shots}; give at least 1.")
    there = demonstrations.select(tasks=[task])
    if shots > len(there):
        raise InputError(
            f"'{task}' has {len(there)} demonstrations in {there.path}, fewer than the"
            f" {shots} requested shots; collect more, or request at most {len(there)}."
        )
    seed = zlib.crc32(f"{task}/{draw}".encode())
    order = np.random.default_rng(seed).permutation(len(there))
    return Support(demonstrations=there.take(order[:shots].tolist()))


def check_fit(card: Card, support: Support) -> None:
    """Makes sure that demonstrations are of the kind a policy was trained on.

    A policy of several robots takes demonstrations of any robot.

    Raises:
        InputError: If the suite, the observation or the action is another, goals are
            hidden from one of the two only, or the policy has no code for the task.
    """
    given = support.demonstrations
    if len(card.spec.embodiments) == 1:
        _check_robot(card, given)
    goals = [_goals(card.suite_options), _goals(given.suite_options)]
    if None not in goals and goals[0] != goals[1]:
        raise InputError(
            f"The policy was trained with goals {goals[0]}, the support has them"
            f" {goals[1]}; collect the support with goals={goals[0]!r}."
        )
    if "one_hot" in card.conditioning.kinds:
        raise InputError(
            "The policy is conditioned on a one-hot code of its training tasks, which has"
            " no place for a task to adapt to; train it with conditioning on language or"
            " goal. For more training on its own tasks, robomtl.train takes it as start."
        )


def _check_robot(card: Card, given: Demonstrations) -> None:
    """Makes sure that demonstrations are of the one robot that a policy knows."""
    suites = card.suite, given.suite or ""
    here, there = (unshifted(name).partition("/")[0] for name in suites)
    if here and there and here != there:
        raise InputError(
            f"The policy was trained in {card.suite}, the support is of {given.suite};"
            f" give demonstrations of {here}."
        )
    for feature in ("state", "action"):
        size, expected = getattr(given, feature).shape[1], getattr(card.spec, feature)
        if expected and size != expected:  # A policy of pictures reads no state.
            raise InputError(
                f"The policy takes {feature} of length {expected}; the support has"
                f" {size}."
            )
    if not card.spec.single:
        card.spec.serving(given.embodiment)


def _goals(options: Mapping[str, Any]) -> Any:
    return options.get("goals")
