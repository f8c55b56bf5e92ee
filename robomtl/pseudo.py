"""Pseudo-embodiments: the tasks of a suite for a robot with a transformed action space.

``robomtl.suite("pseudo/flipped/metaworld/MT10")`` is Meta-World's MT10 with a robot that
moves in the direction opposite to its actions. As tasks, scenes and experts are the same,
transfer between robots can be measured without other differences. Observations are those
of the original robot; the expert's actions are converted, so that demonstrations succeed.
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
    """Difference between a pseudo-embodiment's actions and the original robot's."""

    line: str
    """Description in one line."""
    gain: float = 1.0
    """Factor of the displacements; negative to flip. Its magnitude is at least 1, so that
    every action of the expert can be expressed."""
    shift: int = 0
    """Number of indices by which the components of displacements are shifted cyclically."""
    delay: int = 0
    """Number of steps by which actions are delayed."""


BODIES: Mapping[str, Body] = {
    "scaled": Body("moves twice as far", gain=2.0),
    "flipped": Body("moves in the opposite direction", gain=-1.0),
    "permuted": Body("has its components of displacements in another order", shift=1),
    "delayed": Body("executes its actions a step later", delay=1),
    "twisted": Body("is flipped, permuted and scaled by 1.5", gain=-1.5, shift=2),
}
"""Pseudo-embodiments by name. Trailing components that a suite declares as
``undisturbed_actions``, such as a gripper, keep their index and meaning."""


class Translation:
    """Converts between the actions of a pseudo-embodiment and the original robot's.

    Args:
        body: Pseudo-embodiment.
        size: Number of action components.
        kept: Number of trailing components that keep their index and meaning.
    """

    def __init__(self, body: Body, size: int, kept: int) -> None:
        moved = size - kept
        self.gain: NDArray[np.float32] = np.ones(size, np.float32)
        """The robot's displacement for an action of 1, by component of the body's action."""
        self.gain[:moved] = body.gain
        self.order: NDArray[np.int64] = np.arange(size)
        """Index of the robot's component for each component of the body's action."""
        self.order[:moved] = np.roll(np.arange(moved), -body.shift)

    def to_robot(self, action: Action) -> Action:
        """The robot's action for an action of the body; (action,)."""
        moved = np.empty_like(self.gain)
        moved[self.order] = np.clip(action, -1, 1) * self.gain
        return np.clip(moved, -1, 1)

    def to_body(self, action: Action) -> Action:
        """The body's action that is executed as this action of the robot; (action,)."""
        wanted = np.clip(np.asarray(action, np.float32), -1, 1)
        return wanted[self.order] / self.gain


class PseudoEnv(gymnasium.Wrapper[Observation, Action, Observation, Action]):
    """An env for a pseudo-embodiment, which converts actions to the original robot's.

    Args:
        env: Env of the original robot.
        body: Pseudo-embodiment.
        kept: Number of trailing action components that keep their index and meaning.
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
        """Begins an episode; a delayed body first executes actions of zeros."""
        still = np.zeros(self._size, np.float32)
        self._waiting = deque([still] * self._delay)
        return self.env.reset(seed=seed, options=options)

    def step(
        self, action: Action
    ) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Executes the converted action, or an earlier one if actions are delayed."""
        self._waiting.append(self._translation.to_robot(action))
        return self.env.step(self._waiting.popleft())


class PseudoExpert:
    """An expert for a pseudo-embodiment, which converts the original expert's actions.

    Args:
        expert: Expert of the original robot.
        body: Pseudo-embodiment.
        kept: Number of trailing action components that keep their index and meaning.
    """

    def __init__(self, expert: Expert, body: Body, kept: int) -> None:
        self._expert, self._body, self._kept = expert, body, kept

    def __call__(self, observation: Observation) -> Action:
        """The body's action; (action,)."""
        action = self._expert(observation)
        return Translation(self._body, len(action), self._kept).to_body(action)


@dataclass(frozen=True)
class PseudoSuite(WrappedSuite):
    """The tasks of a suite for a pseudo-embodiment.

    Args:
        suite: Suite of the original robot.
        body: Name of a pseudo-embodiment.
    """

    body: str
    """Name of the pseudo-embodiment."""
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
            InputError: If it is unknown; the message names the nearest.
        """
        check_known("pseudo-embodiment", self.body, BODIES)

    @property
    def name(self) -> str:
        """Full name, such as ``pseudo/flipped/metaworld/MT10``."""
        return f"pseudo/{self.body}/{self.suite.name}"

    def robot(self, task: str) -> str:
        """Name of the robot: the body's name, then the original robot's."""
        return f"{self.body}-{robot_of(self.suite, task)}"

    def embodiment(self, task: str) -> Embodiment:
        """The original robot's observation features, with this robot's action feature.

        Raises:
            ValueError: If the task is unknown.
        """
        own = robot_of(self.suite, task)
        if own not in self._robots:
            self._robots[own] = embodiment_of(self.suite, task)
        found = self._robots[own]
        translation = Translation(
            BODIES[self.body], found.action.size, self.undisturbed
        )
        order = translation.order.tolist()
        action = action_of(self.suite, task) or found.action
        names = action.names and tuple(action.names[i] for i in order)
        units = action.units and tuple(
            scaled(action.units[index], gain)
            for index, gain in zip(order, translation.gain, strict=True)
        )
        action = replace(action, names=names, units=units)
        return replace(found, name=self.robot(task), action=action)

    @cached_property
    def _robots(self) -> dict[str, Embodiment]:
        """Cache of the original robots' embodiments, by name."""
        return {}

    def make_env(self, task: str) -> Env:
        """An env of the task for the pseudo-embodiment.

        Raises:
            ValueError: If the task is unknown.
        """
        return PseudoEnv(self.suite.make_env(task), BODIES[self.body], self.undisturbed)

    def make_expert(self, task: str) -> Expert:
        """The expert of the task for the pseudo-embodiment.

        Raises:
            ValueError: If the task is unknown or has no expert.
        """
        expert = make_expert(self.suite, task)
        return PseudoExpert(expert, BODIES[self.body], self.undisturbed)


def pseudo(variant: str, **options: Any) -> PseudoSuite:
    """Builds the suite of a pseudo-embodiment.

    Args:
        variant: Name of the body and full name of the suite, with a slash between them.
        **options: Options of the suite.

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
