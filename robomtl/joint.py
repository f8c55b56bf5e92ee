"""Several suites as one, in which one policy learns, is evaluated and is compared.

``robomtl.suite("joint/metaworld/MT10+points/MT4")`` has the tasks of both, each named after
its suite, such as ``metaworld/MT10/reach-v3``. Every task keeps its robot, its envs, its
variations and its expert. Demonstrations are recorded in each suite on its own; a mixture of
such data sets has this suite.
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
"""Under which joint suites are registered."""


@dataclass(frozen=True)
class JointSuite:
    """The tasks of several suites; their tier is the name of their suite.

    Args:
        suites: At least two, none of them twice; they are sorted by name.
    """

    suites: tuple[Suite, ...]

    def __post_init__(self) -> None:
        """Sorts the suites.

        Raises:
            InputError: If there are fewer than two, one is there twice, or one is itself
                a joint suite.
        """
        names = [each.name for each in self.suites]
        nested = any(isinstance(each, JointSuite) for each in self.suites)
        if nested or len({*names}) < 2 or len({*names}) < len(names):
            raise InputError(
                f"A joint suite has at least two suites, each once, with + between their"
                f" names, such as joint/points/MT4+points/two_robots; here are"
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
        """The options of each suite."""
        return joint_options({each.name: each.options for each in self.suites})

    @property
    def definition(self) -> dict[str, Any] | None:
        """The definitions of the suites that have one; None if none has."""
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
        """Those to train on, and those held out."""
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
        """Where the goal of the first suite lies; None if a suite hides its goals."""
        goals = [each.goal for each in self.suites]
        return None if None in goals else goals[0]

    @property
    def goal_places(self) -> Mapping[str, slice]:
        """Where the goal of each task lies in its own state."""
        found = {name: goal_place(*origin) for name, origin in self._origins.items()}
        return {name: place for name, place in found.items() if place is not None}

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Tasks that share a scene."""
        return {
            f"{suite.name}/{family}": tuple(f"{suite.name}/{name}" for name in names)
            for suite in self.suites
            for family, names in families_of(suite).items()
        }

    @property
    def one_env_per_process(self) -> bool:
        """Whether a suite's envs must live one at a time in a process."""
        return any(map(one_env_per_process, self.suites))

    def origin(self, task: str) -> tuple[Suite, str]:
        """The suite of a task, and its name there.

        Raises:
            InputError: If the task is unknown.
        """
        return self._origins[find_task(self, task).name]

    @cached_property
    def _origins(self) -> dict[str, tuple[Suite, str]]:
        """By the name of a task."""
        return {
            f"{suite.name}/{task.name}": (suite, task.name)
            for suite in self.suites
            for task in (*suite.train_tasks, *suite.held_out_tasks)
        }

    def embodiment(self, task: str) -> Embodiment:
        """What is observed and how one acts in a task.

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
        """Those that were looked at, for which an env may have been made."""
        return {}

    def robot(self, task: str) -> str:
        """Name of the embodiment of a task.

        Raises:
            ValueError: If the task is unknown.
        """
        return robot_of(*self.origin(task))

    def variations(self, task: str, split: str) -> Sequence[int]:
        """The variations of a task in its suite's split.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        suite, own = self.origin(task)
        return suite.variations(own, split)

    def make_env(self, task: str) -> Env:
        """An env of its suite.

        Raises:
            ValueError: If the task is unknown.
        """
        suite, own = self.origin(task)
        return suite.make_env(own)

    def make_expert(self, task: str) -> Expert:
        """The expert of its suite.

        Raises:
            ValueError: If the task is unknown or has none.
        """
        suite, own = self.origin(task)
        return suite.make_expert(own)


def _renamed(suite: Suite, task: Task) -> Task:
    return replace(task, name=f"{suite.name}/{task.name}", tier=suite.name)


def joint_name(names: Iterable[str]) -> str:
    """Name of the joint suite of some suites."""
    return f"{FAMILY}/{'+'.join(sorted(names))}"


def joint_options(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Options of the joint suite of suites with these options, by the suites' names."""
    given = {name: plain(options[name]) for name in sorted(options) if options[name]}
    return {"suites": given} if given else {}


def options_in(name: str, options: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The options of each suite of a joint one, by the suites' names.

    Args:
        name: Full name of the joint suite; there are none in any other.
        options: Its options.
    """
    family, _, variant = name.partition("/")
    names = variant.split("+") if family == FAMILY else []
    return {each: options.get("suites", {}).get(each, {}) for each in names}


def known_as(trained: str, tasks: Sequence[str], *, suite: Suite, task: str) -> str:
    """The name by which a policy knows a task of a suite.

    A policy of several suites knows their tasks by the names of ``JointSuite``; one of a
    single suite by that suite's own, also where it acts in a joint suite.

    Args:
        trained: Name of the suite that it was trained on.
        tasks: Names that it knows.
        suite: In which it acts.
        task: Name of the task there.
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
    """Several suites as one.

    Args:
        variant: Full names of the suites, with ``+`` between them.
        suites: Options of the suites that need any, by their full names.

    Raises:
        InputError: If a suite is unknown, there is only one, or options are of none.
    """
    names, given = variant.split("+"), suites or {}
    for name in given:
        if name not in names:
            raise InputError(
                f"suites has options of '{name}', and {FAMILY}/{variant} has"
                f" {', '.join(names)}."
            )
    return JointSuite(tuple(named_suite(n, **given.get(n, {})) for n in names))


joint.variants = {  # type: ignore[attr-defined]
    "<suite>+<suite>": "Several suites as one, such as joint/metaworld/MT10+points/MT4"
}
