"""Joint suites: several suites as one, for training and evaluating one policy on all.

``robomtl.suite("joint/metaworld/MT10+points/MT4")`` has the tasks of both suites, with the
suite's name before the task's, such as ``metaworld/MT10/reach-v3``. Every task keeps its
robot, its envs, its variations and its expert. Demonstrations are recorded in each suite
separately; a mixture of such data sets belongs to the joint suite.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from robomtl.errors import InputError
from robomtl.features import Embodiment, embodiment_of, robot_of
from robomtl.files.request import DEFINITION, plain
from robomtl.suites import suite as named_suite
from robomtl.task import (
    Env,
    Expert,
    Suite,
    Task,
    definition_of,
    families_of,
    find_task,
    goal_place,
    one_env_per_process,
)

FAMILY = "joint"
"""Name of the family of joint suites."""


@dataclass(frozen=True)
class JointSuite:
    """A suite with the tasks of several suites; the tier of a task is its suite's name.

    Args:
        suites: At least two different suites; they are sorted by name.
    """

    suites: tuple[Suite, ...]

    def __post_init__(self) -> None:
        """Sorts the suites.

        Raises:
            InputError: If there are fewer than two, a suite is repeated, or a suite is
                itself a joint suite.
        """
        names = [each.name for each in self.suites]
        nested = any(isinstance(each, JointSuite) for each in self.suites)
        if nested or len({*names}) < 2 or len({*names}) < len(names):
            raise InputError(
                "A joint suite joins at least two different suites, with + between their"
                " names, such as joint/points/MT4+points/two_robots; given:"
                f" {', '.join(names)}."
            )
        ordered = sorted(self.suites, key=lambda each: each.name)
        object.__setattr__(self, "suites", tuple(ordered))

    @property
    def name(self) -> str:
        """Full name, such as ``joint/metaworld/MT10+points/MT4``."""
        return joint_name(each.name for each in self.suites)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of each suite; see ``joint_options``."""
        return joint_options({each.name: each.options for each in self.suites})

    @property
    def definition(self) -> dict[str, Any] | None:
        """The definitions of the suites that have one, by suite; None if none has."""
        found = {each.name: definition_of(each) for each in self.suites}
        return {k: it[DEFINITION] for k, it in found.items() if it} or None

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """The training tasks of all suites."""
        return self._tasks[0]

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """The held-out tasks of all suites."""
        return self._tasks[1]

    @cached_property
    def _tasks(self) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
        """The training tasks, and the held-out tasks."""
        splits = [(each, each.train_tasks, each.held_out_tasks) for each in self.suites]
        return (
            tuple(
                _renamed(suite, task) for suite, tasks, _ in splits for task in tasks
            ),
            tuple(
                _renamed(suite, task) for suite, _, tasks in splits for task in tasks
            ),
        )

    @property
    def goal(self) -> slice | None:
        """Slice of the first suite's goal in its state; None if a suite hides its goals."""
        goals = [each.goal for each in self.suites]
        return None if None in goals else goals[0]

    @property
    def goal_places(self) -> Mapping[str, slice]:
        """Slice of each task's goal in its own state."""
        found = {name: goal_place(*origin) for name, origin in self._origins.items()}
        return {name: goal for name, goal in found.items() if goal is not None}

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Tasks that share a scene, by the name of their family."""
        return {
            f"{suite.name}/{family}": tuple(f"{suite.name}/{name}" for name in names)
            for suite in self.suites
            for family, names in families_of(suite).items()
        }

    @property
    def one_env_per_process(self) -> bool:
        """Whether any of the suites allows only one env at a time in a process."""
        return any(map(one_env_per_process, self.suites))

    def origin(self, task: str) -> tuple[Suite, str]:
        """The suite of a task, and the task's name in that suite.

        Raises:
            InputError: If the task is unknown.
        """
        return self._origins[find_task(self, task).name]

    @cached_property
    def _origins(self) -> dict[str, tuple[Suite, str]]:
        """The suite and the own name of each task, by its name in the joint suite."""
        return {
            f"{suite.name}/{task.name}": (suite, task.name)
            for suite in self.suites
            for task in (*suite.train_tasks, *suite.held_out_tasks)
        }

    def embodiment(self, task: str) -> Embodiment:
        """The embodiment of a task.

        Raises:
            ValueError: If the task is unknown.
        """
        suite, own = self.origin(task)
        robot = robot_of(suite, own)
        if (suite.name, robot) not in self._robots:
            self._robots[suite.name, robot] = embodiment_of(suite, own)
        return self._robots[suite.name, robot]

    @cached_property
    def _robots(self) -> dict[tuple[str, str], Embodiment]:
        """Cache of embodiments, by suite and robot, since computing one may make an env."""
        return {}

    def robot(self, task: str) -> str:
        """Name of the embodiment of a task.

        Raises:
            ValueError: If the task is unknown.
        """
        return robot_of(*self.origin(task))

    def variations(self, task: str, split: str) -> Sequence[int]:
        """The variations of a task in a split of its suite.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        suite, own = self.origin(task)
        return suite.variations(own, split)

    def make_env(self, task: str) -> Env:
        """An env of the task, made by the task's suite.

        Raises:
            ValueError: If the task is unknown.
        """
        suite, own = self.origin(task)
        return suite.make_env(own)

    def make_expert(self, task: str) -> Expert:
        """The expert of the task, made by the task's suite.

        Raises:
            ValueError: If the task is unknown or has no expert.
        """
        suite, own = self.origin(task)
        return suite.make_expert(own)


def _renamed(suite: Suite, task: Task) -> Task:
    return replace(task, name=f"{suite.name}/{task.name}", tier=suite.name)


def joint_name(names: Iterable[str]) -> str:
    """Full name of the joint suite of these suites."""
    return f"{FAMILY}/{'+'.join(sorted(names))}"


def joint_options(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Options of a joint suite.

    Args:
        options: Options of each of its suites, by the suites' names.
    """
    given = {name: plain(options[name]) for name in sorted(options) if options[name]}
    return {"suites": given} if given else {}


def options_in(name: str, options: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The options of each suite of a joint suite, by the suites' names.

    Args:
        name: Full name of a suite; the result is empty unless it is a joint suite.
        options: Options of that suite.
    """
    family, _, variant = name.partition("/")
    names = variant.split("+") if family == FAMILY else []
    return {each: options.get("suites", {}).get(each, {}) for each in names}


def known_as(trained: str, tasks: Sequence[str], *, suite: Suite, task: str) -> str:
    """The name under which a policy was trained on a task.

    A policy trained on a joint suite uses the task names of ``JointSuite``. A policy trained
    on a single suite uses that suite's task names, also when it acts in a joint suite.

    Args:
        trained: Name of the suite that the policy was trained on.
        tasks: Names of the tasks that the policy was trained on.
        suite: Suite in which the policy acts.
        task: Name of the task in that suite.
    """
    if task in tasks:
        return task
    if isinstance(suite, JointSuite):
        origin, own = suite.origin(task)
        return own if origin.name == trained else task
    joint = f"{suite.name}/{task}"
    return joint if joint in tasks else task


def joint(
    variant: str, *, suites: Mapping[str, Mapping[str, Any]] | None = None
) -> JointSuite:
    """Builds a joint suite.

    Args:
        variant: Full names of the suites, with ``+`` between them.
        suites: Options of suites, by their full names.

    Raises:
        InputError: If a suite is unknown, there is only one, or options name a suite that
            is not among them.
    """
    names, given = variant.split("+"), suites or {}
    for name in given:
        if name not in names:
            raise InputError(
                f"suites has options for '{name}', which is not in {FAMILY}/{variant}; its"
                f" suites are {', '.join(names)}."
            )
    return JointSuite(tuple(named_suite(n, **given.get(n, {})) for n in names))


joint.variants = {  # type: ignore[attr-defined]
    "<suite>+<suite>": "Several suites as one, such as joint/metaworld/MT10+points/MT4"
}
