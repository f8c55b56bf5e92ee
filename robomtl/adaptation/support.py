"""The support: the few demonstrations of a new task that adaptation may use."""

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
    """Demonstrations of the new task, and optionally those of the training tasks."""

    demonstrations: Demonstrations
    """Successful episodes of one task."""
    prior: Demonstrations | None = None
    """Demonstrations the policy was trained on, for methods that read them again."""

    def __post_init__(self) -> None:
        """Checks the demonstrations.

        Raises:
            InputError: If there is no episode, several tasks, a failed episode, or one
                without actions.
        """
        check_types(self)
        demonstrations = self.demonstrations
        demonstrations.check_actions("adaptation")
        if not len(demonstrations):
            raise InputError("The support has no demonstrations; give at least 1.")
        if len(demonstrations.tasks) != 1:
            raise InputError(
                "The support has demonstrations of"
                f" {', '.join(demonstrations.tasks)}; give those of 1 task, for example"
                " by demonstrations.select(tasks=[name])."
            )
        failed = np.flatnonzero(~demonstrations.episodes.success)
        if len(failed):
            raise InputError(
                f"{len(failed)} of the {len(demonstrations)} demonstrations of"
                f" '{self.name}' do not succeed (the first has index {failed[0]}); leave"
                " them out."
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
        """The task with its instructions, from the suite or else from the data set."""
        recorded = self.demonstrations
        if recorded.suite is None:
            instruction = recorded.instructions[self.name]
            return Task(name=self.name, instructions=(instruction,))
        return find_task(suite(recorded.suite, **recorded.suite_options), self.name)


def draw_support(
    demonstrations: Demonstrations, task: str, *, shots: int, draw: int
) -> Support:
    """Support of some demonstrations of a task, drawn without replacement.

    Supports of one draw are nested: that of fewer shots is a subset of that of more.

    Args:
        demonstrations: Data set to draw from.
        task: Name of the task.
        shots: Number of demonstrations.
        draw: Index of the draw, which seeds it together with the task's name.

    Raises:
        InputError: If the task is unknown or has fewer demonstrations.
    """
    if shots < 1:
        raise InputError(f"shots is {shots}; give at least 1.")
    available = demonstrations.select(tasks=[task])
    if shots > len(available):
        raise InputError(
            f"'{task}' has {len(available)} demonstrations in {available.path}, fewer"
            f" than the {shots} requested shots; collect more, or request at most"
            f" {len(available)}."
        )
    seed = zlib.crc32(f"{task}/{draw}".encode())
    order = np.random.default_rng(seed).permutation(len(available))
    return Support(demonstrations=available.take(order[:shots].tolist()))


def check_fit(card: Card, support: Support) -> None:
    """Refuses a support that a policy cannot be adapted to.

    A policy of several robots may be adapted to any robot; see ``of_one_robot``.

    Raises:
        InputError: If suite, observation or action differ from those of training, goals
            are hidden in only one of the two, or the policy reads a one-hot task code.
    """
    demonstrations = support.demonstrations
    if len(card.spec.embodiments) == 1:
        _check_robot(card, demonstrations)
    goals = [_goals(card.suite_options), _goals(demonstrations.suite_options)]
    if None not in goals and goals[0] != goals[1]:
        raise InputError(
            f"The policy was trained with goals {goals[0]}, the support was collected with"
            f" goals {goals[1]}; collect the support with goals={goals[0]!r}."
        )
    if "one_hot" in card.conditioning.kinds:
        raise InputError(
            "The policy is conditioned on a one-hot code of its training tasks, which has"
            " no entry for a new task; train it with conditioning on language or goal. To"
            " continue training on its own tasks, pass it to robomtl.train as start."
        )


def _check_robot(card: Card, demonstrations: Demonstrations) -> None:
    """Refuses demonstrations of another robot than the one of a single-robot policy."""
    suites = card.suite, demonstrations.suite or ""
    trained, recorded = (unshifted(name).partition("/")[0] for name in suites)
    if trained and recorded and trained != recorded:
        raise InputError(
            f"The policy was trained in {card.suite}, the support is of"
            f" {demonstrations.suite}; give demonstrations of {trained}."
        )
    for feature in ("state", "action"):
        size = getattr(demonstrations, feature).shape[1]
        expected = getattr(card.spec, feature)
        if expected and size != expected:  # A policy of images reads no state.
            raise InputError(
                f"The policy expects {feature} of length {expected}; the support has"
                f" {size}."
            )
    if not card.spec.single:
        card.spec.serving(demonstrations.embodiment)


def _goals(options: Mapping[str, Any]) -> Any:
    return options.get("goals")
