"""Agents and actors: the contract between evaluation and what acts in its trials."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from robomtl.task import Observation, Suite, Trial


class TaskInfo(NamedTuple):
    """Task information of a trial that an actor is conditioned on."""

    task: str | None
    """Name of the task, for one-hot conditioning and for experts; None withholds it."""
    instruction: str | None
    """Wording, for language conditioning; None withholds it."""
    goal: tuple[float, ...] | None = None
    """The goal vector a policy is shown, throughout, in place of the one in its
    observations; None leaves that as it is."""


class Actor(Protocol):
    """Acts in a batch of trials of one suite, side by side."""

    def start(self, trials: Sequence[Trial], task_infos: Sequence[TaskInfo]) -> None:
        """Forgets earlier trials and prepares for these."""
        ...

    def __call__(
        self, observations: Sequence[Observation], running: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Actions within [-1, 1] for every trial; (trial, action).

        Args:
            observations: The latest of each trial; that of a finished trial stays.
            running: Which trials go on; actions of the others are ignored. (trial,)
        """
        ...


@runtime_checkable
class Looking(Protocol):
    """An actor that says when it reads pictures, so that others need not be drawn."""

    @property
    def looks(self) -> bool:
        """Whether the next call reads the pictures of the observations."""
        ...


class Agent(Protocol):
    """Light, picklable description of an actor, sent to worker processes."""

    @property
    def name(self) -> str:
        """The agent's name in reports."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of everything its actions depend on."""
        ...

    def check(self, suite: Suite) -> None:
        """Refuses a suite that does not fit, before any process starts.

        Raises:
            ValueError: Saying which feature does not fit.
        """
        ...

    def load(self, suite: Suite) -> Actor:
        """The actor, ready to start trials of this suite."""
        ...


class KeptActor:
    """An agent's actor, which is slow to load.

    Args:
        agent: Loads it on first use.
        suite: In which it acts.
    """

    def __init__(self, agent: Agent, suite: Suite) -> None:
        self._agent = agent
        self._suite = suite
        self._actor: Actor | None = None

    def get(self) -> Actor:
        """The actor; from now on this process computes with one thread."""
        if self._actor is None:
            self._actor = self._agent.load(self._suite)
            if torch := sys.modules.get("torch"):
                # Each worker has a core; and sums depend on the number of threads.
                torch.set_num_threads(1)
        return self._actor


@runtime_checkable
class Selective(Protocol):
    """An agent that may fit some tasks of a suite and not others."""

    def check_tasks(self, suite: Suite, tasks: Sequence[str]) -> None:
        """Refuses tasks that do not fit, before any process starts.

        Args:
            suite: Supplies the tasks.
            tasks: Names of those that are played; names that the suite lacks are ignored.

        Raises:
            ValueError: Saying which feature does not fit.
        """
        ...


def check_agent(agent: Agent, suite: Suite, tasks: Sequence[str] | None) -> None:
    """Refuses an agent that does not fit the tasks that are played.

    Args:
        agent: Acts in them.
        suite: Supplies them.
        tasks: Their names; None for the training tasks.

    Raises:
        ValueError: Saying what does not fit.
    """
    if isinstance(agent, Selective):
        chosen = [task.name for task in suite.train_tasks] if tasks is None else tasks
        agent.check_tasks(suite, chosen)
    else:
        agent.check(suite)


@runtime_checkable
class Named(Protocol):
    """An agent that the command line can name, and so make again."""

    @property
    def argument(self) -> str | None:
        """The agent's name for ``robomtl evaluate``; None if Python alone makes it."""
        ...


@runtime_checkable
class Conditioned(Protocol):
    """An agent that names its conditioning."""

    @property
    def conditioning_kinds(self) -> tuple[str, ...]:
        """Kinds of conditioning, such as ``language``; see ``robomtl.conditioning``."""
        ...


@runtime_checkable
class Configured(Protocol):
    """An agent that predicts chunks of actions, and says how they are executed."""

    @property
    def acting(self) -> Mapping[str, Any]:
        """Actor settings that replace those of its checkpoint."""
        ...

    @property
    def actor_settings(self) -> Mapping[str, Any]:
        """Actor settings that differ from the defaults, its history among them."""
        ...


@runtime_checkable
class Placed(Protocol):
    """An agent that computes on its own device, on which its actions depend."""

    @property
    def device(self) -> str:
        """Torch's name of the device."""
        ...
