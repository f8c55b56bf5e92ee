"""Pseudo-embodiments: a robot whose actions mean something else, in the same tasks.

``robomtl.suite("pseudo/flipped/metaworld/MT10")`` is Meta-World's MT10 with a robot that
moves against its actions. Since tasks, scenes and experts stay, what one robot's
demonstrations are worth to another can be measured exactly. Observations are those of the
robot that it is made of; experts' actions are translated, so that demonstrations are right.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from robomtl.alignment import action_of, scaled
from robomtl.features import Embodiment, embodiment_of, robot_of
from robomtl.nearest import check_known
from robomtl.plug_in import make_expert
from robomtl.suites import suite as named_suite
from robomtl.task import Action, Env, Expert, Observation
from robomtl.wrapped_suite import WrappedSuite


class Body(NamedTuple):
    """How a robot acts, compared with the one that it is made of."""

    line: str
    """What it is, in a line."""
    gain: float = 1.0
    """Factor of the displacements, at least 1 so that experts can act; negative to flip."""
    shift: int = 0
    """By how many places components of displacements are shifted, in a circle."""
    delay: int = 0
    """Steps after which an action is executed."""


BODIES: Mapping[str, Body] = {
    "scaled": Body("moves twice as far", gain=2.0),
    "flipped": Body("moves in the opposite direction", gain=-1.0),
    "permuted": Body("has its components of displacements in another order", shift=1),
    "delayed": Body("executes its actions a step later", delay=1),
    "twisted": Body("is flipped, permuted and scaled by 1.5", gain=-1.5, shift=2),
}
"""Pseudo-embodiments by name. Trailing components that a suite declares as
``undisturbed_actions``, such as a gripper, keep their place and meaning."""


class Translation:
    """Translates between the actions of a body and those of the robot that it is made of.

    Args:
        body: The body.
        size: Components of an action.
        kept: Trailing components that keep their place and meaning.
    """

    def __init__(self, body: Body, size: int, kept: int) -> None:
        moved = size - kept
        self.gain: NDArray[np.float32] = np.ones(size, np.float32)
        """The robot's displacement by a full deflection of each of the body's."""
        self.gain[:moved] = body.gain
        self.order: NDArray[np.int64] = np.arange(size)
        """The robot's component that each of the body's moves."""
        self.order[:moved] = np.roll(np.arange(moved), -body.shift)

    def executed(self, action: Action) -> Action:
        """The robot's action for one of the body; (action,)."""
        moved = np.empty_like(self.gain)
        moved[self.order] = np.clip(action, -1, 1) * self.gain
        return np.clip(moved, -1, 1)

    def own(self, action: Action) -> Action:
        """The body's action that is executed as one of the robot; (action,)."""
        wanted = np.clip(np.asarray(action, np.float32), -1, 1)
        return wanted[self.order] / self.gain


class PseudoEnv(gymnasium.Wrapper[Observation, Action, Observation, Action]):
    """An env in which a body acts.

    Args:
        env: That of the robot.
        body: The body.
        kept: Trailing components of an action that keep their meaning.
    """

    def __init__(self, env: Env, body: Body, kept: int) -> None:
        super().__init__(env)
        self._size = int(np.prod(env.action_space.shape or ()))
        self._translation = Translation(body, self._size, kept)
        self._waiting: deque[Action] = deque()
        self._delay = body.delay

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode; actions that wait at its start are zeros."""
        still = np.zeros(self._size, np.float32)
        self._waiting = deque([still] * self._delay)
        return self.env.reset(seed=seed, options=options)

    def step(
        self, action: Action
    ) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Executes the translated action, or that of some steps ago."""
        self._waiting.append(self._translation.executed(action))
        return self.env.step(self._waiting.popleft())


class PseudoExpert:
    """The robot's expert, whose actions are translated.

    Args:
        expert: Of the robot.
        body: The body.
        kept: Trailing components of an action that keep their meaning.
    """

    def __init__(self, expert: Expert, body: Body, kept: int) -> None:
        self._expert, self._body, self._kept = expert, body, kept

    def __call__(self, observation: Observation) -> Action:
        """The body's action; (action,)."""
        action = self._expert(observation)
        return Translation(self._body, len(action), self._kept).own(action)


@dataclass(frozen=True)
class PseudoSuite(WrappedSuite):
    """The tasks of a suite for another robot.

    Args:
        suite: Has the tasks.
        body: Name of a pseudo-embodiment.
    """

    body: str
    passed_on: ClassVar[tuple[str, ...]] = (
        "definition",
        "envs_may_differ",
        "families",
        "goal_places",
        "one_env_per_process",
        "positions",
        "undisturbed_actions",
        "version",
    )

    def __post_init__(self) -> None:
        """Checks the name of the body.

        Raises:
            InputError: If it is unknown; names the nearest.
        """
        check_known("pseudo-embodiment", self.body, BODIES)

    @property
    def name(self) -> str:
        """Full name, such as ``pseudo/flipped/metaworld/MT10``."""
        return f"pseudo/{self.body}/{self.suite.name}"

    def robot(self, task: str) -> str:
        """Name of the robot: that of the body, then that of the suite's own."""
        return f"{self.body}-{robot_of(self.suite, task)}"

    def embodiment(self, task: str) -> Embodiment:
        """What the suite's robot observes, and how this one acts.

        Raises:
            ValueError: If the task is unknown.
        """
        own = robot_of(self.suite, task)
        if own not in self._robots:
            self._robots[own] = embodiment_of(self.suite, task)
        found = self._robots[own]
        there = Translation(BODIES[self.body], found.action.size, self.undisturbed)
        order = there.order.tolist()
        action = action_of(self.suite, task) or found.action
        names = action.names and tuple(action.names[i] for i in order)
        units = action.units and tuple(
            scaled(action.units[place], gain)
            for place, gain in zip(order, there.gain, strict=True)
        )
        action = replace(action, names=names, units=units)
        return replace(found, name=self.robot(task), action=action)

    @cached_property
    def _robots(self) -> dict[str, Embodiment]:
        """Of the suite, as far as they were looked at."""
        return {}

    def make_env(self, task: str) -> Env:
        """One of the suite, in which the body acts.

        Raises:
            ValueError: If the task is unknown.
        """
        return PseudoEnv(self.suite.make_env(task), BODIES[self.body], self.undisturbed)

    def make_expert(self, task: str) -> Expert:
        """One of the suite, whose actions are translated.

        Raises:
            ValueError: If the task is unknown or has no expert.
        """
        expert = make_expert(self.suite, task)
        return PseudoExpert(expert, BODIES[self.body], self.undisturbed)


def pseudo(variant: str, **options: Any) -> PseudoSuite:
    """A suite for a pseudo-embodiment.

    Args:
        variant: Name of the body and full name of the suite, with a slash between them.
        **options: Those of the suite.

    Raises:
        InputError: If the body, the suite or an option is unknown.
    """
    body, _, name = variant.partition("/")
    check_known("pseudo-embodiment", body, BODIES)
    return PseudoSuite(named_suite(name, **options), body)


pseudo.variants = {  # type: ignore[attr-defined]
    f"{name}/<suite>": f"The tasks of a suite for a robot that {body.line}"
    for name, body in BODIES.items()
}
