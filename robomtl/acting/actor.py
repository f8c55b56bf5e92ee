"""Protocols of agents and actors, which evaluation lets act in its trials."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robomtl.task import Observation, Suite, Trial


class TaskInfo(NamedTuple):
    """Task information of a trial that an actor is conditioned on."""

    task: str | None
    """Name of the task, for one-hot conditioning and for experts; None if withheld."""
    instruction: str | None
    """Wording of the instruction, for language conditioning; None if withheld."""
    goal: tuple[float, ...] | None = None
    """Goal vector that replaces the goal in all observations of a policy; None keeps the
    goal of the observations."""


class Actor(Protocol):
    """Acts in a batch of trials of one suite, which are played in lockstep."""

    def start(self, trials: Sequence[Trial], task_infos: Sequence[TaskInfo]) -> None:
        """Forgets earlier trials and prepares for new ones."""
        ...

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions within [-1, 1] for every trial; (trial, action).

        Args:
            observations: Latest observation of each trial, also of finished ones.
            running: Mask of trials that still run; actions of others are ignored; (trial,).
        """
        ...


@runtime_checkable
class ReadsImages(Protocol):
    """Actor that tells whether it reads the next images; others need not be rendered."""

    @property
    def reads_images(self) -> bool:
        """Whether the next call reads the images of the observations."""
        ...


class Agent(Protocol):
    """Light, picklable description of an actor, sent to worker processes."""

    @property
    def name(self) -> str:
        """The agent's name in reports."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything that the agent's actions depend on."""
        ...

    def check(self, suite: Suite) -> None:
        """Refuses a suite that does not fit the agent, before any process starts.

        Raises:
            ValueError: If a feature does not fit; names it.
        """
        ...

    def load(self, suite: Suite) -> Actor:
        """Actor that is ready to start trials of this suite."""
        ...


@runtime_checkable
class Selective(Protocol):
    """Agent that may fit only some tasks of a suite."""

    def check_tasks(self, suite: Suite, tasks: Sequence[str]) -> None:
        """Refuses tasks that do not fit the agent, before any process starts.

        Args:
            suite: Suite of the tasks.
            tasks: Names of the tasks to play; names that the suite lacks are ignored.

        Raises:
            ValueError: If a feature does not fit; names it.
        """
        ...


def check_agent(agent: Agent, suite: Suite, tasks: Sequence[str] | None) -> None:
    """Refuses an agent that does not fit the tasks to play.

    Args:
        agent: Agent to check.
        suite: Suite of the tasks.
        tasks: Names of the tasks to play; None for the training tasks.

    Raises:
        ValueError: If a feature does not fit; names it.
    """
    if isinstance(agent, Selective):
        chosen = [task.name for task in suite.train_tasks] if tasks is None else tasks
        agent.check_tasks(suite, chosen)
    else:
        agent.check(suite)


@runtime_checkable
class Named(Protocol):
    """Agent that can be named on the command line."""

    @property
    def argument(self) -> str | None:
        """Argument of ``robomtl evaluate`` for the agent; None if only Python can build it."""
        ...


@runtime_checkable
class Conditioned(Protocol):
    """Agent that reports its kinds of conditioning."""

    @property
    def conditioning_kinds(self) -> tuple[str, ...]:
        """Kinds of conditioning, such as ``language``; see ``robomtl.conditioning``."""
        ...


@runtime_checkable
class Configured(Protocol):
    """Agent that predicts action chunks and reports the settings of their execution."""

    @property
    def acting(self) -> Mapping[str, Any]:
        """Actor settings that replace those of the agent's checkpoint."""
        ...

    @property
    def actor_settings(self) -> Mapping[str, Any]:
        """Actor settings that differ from the defaults, including the history."""
        ...


@runtime_checkable
class Placed(Protocol):
    """Agent that computes on a device of its own, on which its actions depend."""

    @property
    def device(self) -> str:
        """Torch's name of the device."""
        ...
