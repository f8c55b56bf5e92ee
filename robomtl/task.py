"""Tasks, trials, and the contracts of suites, which connect simulators to robomtl."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from numpy.typing import NDArray

from robomtl.errors import InputError
from robomtl.files.request import DEFINITION
from robomtl.names import check_name, several
from robomtl.nearest import check_known
from robomtl.ranges import settings

Observation = dict[str, NDArray[Any]]
Action = NDArray[np.float32]
Env = gymnasium.Env[Observation, Action]


@settings
@dataclass(frozen=True, kw_only=True)
class Task:
    """A task of a suite: its name and its instructions."""

    name: str
    """Name of the task within its suite, such as ``drawer-open-v3``."""
    instructions: tuple[str, ...]
    """Wordings that training may use; the first is the canonical one."""
    held_out_instructions: tuple[str, ...] = ()
    """Wordings kept for evaluation, never trained on."""
    tier: str = ""
    """Difficulty tier by which results are grouped; empty for none."""

    def __post_init__(self) -> None:
        """Checks name and instructions; a single string becomes one instruction.

        Raises:
            InputError: If there is no instruction, or the name is not printable text.
        """
        check_name("task", self.name)
        for field in ("instructions", "held_out_instructions"):
            wordings = several(f"{field} of '{self.name}'", getattr(self, field))
            object.__setattr__(self, field, wordings)
        if not self.instructions:
            raise InputError(f"Task '{self.name}' has no instruction; give at least 1.")

    @property
    def instruction(self) -> str:
        """The canonical wording."""
        return self.instructions[0]


@dataclass(frozen=True)
class Trial:
    """One evaluation episode, the unit of every result."""

    suite: str
    task: str
    variation: int
    repeat: int = 0

    @property
    def seed(self) -> int:
        """Seed of all random numbers in the trial: a 32-bit checksum of its fields."""
        names = f"{self.suite}/{self.task}/{self.variation}/{self.repeat}"
        return zlib.crc32(names.encode())


@runtime_checkable
class BatchableEnv(Protocol):
    """An env whose steps can be batched with those of other envs of its kind."""

    def announce(self, action: Action) -> None:
        """Requests the next step, to be followed by ``step`` with the same array.

        The first ``step`` of one of the announced envs computes the steps of all of them.
        """
        ...


@runtime_checkable
class Privileged(Protocol):
    """An env whose expert has its own observation, such as positions without noise."""

    @property
    def expert_observation(self) -> Observation:
        """The expert's current observation, to be used in place of the policy's."""
        ...


class Expert(Protocol):
    """A demonstrator of one task, without memory of earlier steps."""

    def __call__(self, observation: Observation) -> Action:
        """The action for an observation, within [-1, 1]; (action,)."""
        ...


class Suite(Protocol):
    """A named set of tasks, supplied by a simulator.

    A suite is cheap to build, has plain data only and can be pickled, so that it can be
    sent to worker processes; simulators are built by ``make_env``.

    Beside the members below, a suite may have the following optional members.

    ``expert_suite``: property of a suite that hides goals which its experts need: a suite
    with the same variations and visible goals. Experts act there, and recorded states have
    zeros in place of the goal.

    ``version`` (text) or ``definition`` (plain data): property of a suite whose tasks, envs
    or experts may change under the same name and options. Work that was begun with another
    value is not resumed. ``from_gymnasium`` sets ``definition``.

    ``undisturbed_actions``: property, the number of trailing action components to which
    ``collect`` adds no noise, such as a gripper that opens and closes; 0 by default.

    ``with_camera(camera)``: method that returns the same suite with envs whose ``render``
    returns pictures, as with Gymnasium's ``rgb_array``, at ``metadata["render_fps"]`` steps
    per second. Rendering must not change the episodes. See ``robomtl.camera``.

    ``goal_numbers``, ``goal_number`` and ``variations_of_goal``: methods of a suite in which
    several variations of a task share a goal. See ``GoalSuite``.

    ``positions(task)``: method that returns slices of the state with 2 or 3 coordinates [m]
    by the name of the object, for display.

    ``families``: property of a suite in which tasks share a scene, so that an agent needs
    the instruction to tell them apart: names of at least 2 tasks by the name of the family.
    See ``families_of``; ``robomtl.experiments.probe`` uses them.

    ``shared_wordings``: property, true if one wording may fit two tasks, because their
    scenes tell them apart.

    ``one_env_per_process``: property, true if envs share state within a process, such as a
    single simulator or a global random generator, so that a process must not have several
    at a time. See ``one_env_per_process``.

    ``envs_may_differ``: property, true if the envs of two tasks may differ in sizes or
    rates, for example because users supply them. They are then compared before
    demonstrations are collected, for which each is made once.

    ``goal_places``: property of a suite whose goals have different indices in the states of
    different tasks: the slice of each task's goal. A policy reads shorter goals padded with
    zeros. See ``goal_place``.

    ``geometry(task)``: method that returns a ``robomtl.geometry.Geometry``: the indices of
    positions in the state and of the displacement in actions. Training can then translate,
    mirror and hide objects, see ``robomtl.training.augmentation.Augmentation``.

    ``action``: property with a ``robomtl.features.ActionFeature`` that has the names and
    units of the action's components, unless ``embodiment`` returns it. Robots can then
    share one action, see ``robomtl.alignment``.

    ``alterable``: property with the aspects of the simulation that shifts may change. See
    ``robomtl.shifts.shift.Need`` and ``Alterable``.

    ``embodiment(task)``: method of a suite whose tasks differ in their observations or
    actions. See ``robomtl.features.EmbodiedSuite``.
    """

    @property
    def name(self) -> str:
        """Full name, which ``robomtl.suite`` accepts."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Plain data with which ``robomtl.suite(name, **options)`` rebuilds the suite."""
        ...

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        ...

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """Tasks kept for adaptation; empty in multi-task suites."""
        ...

    @property
    def goal(self) -> slice | None:
        """Slice of the goal vector in ``observation["state"]``; None if hidden."""
        ...

    def variations(self, task: str, split: str) -> Sequence[int]:
        """The variations of a task in a split, in the order in which they are used.

        Every suite has the disjoint splits ``train`` (for demonstrations) and ``fresh``
        (for evaluation); a suite may have others, such as ``official``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        ...

    def make_env(self, task: str) -> Env:
        """Makes an env of the task, which keeps the contract that ``robomtl check`` tests.

        Raises:
            ValueError: If the task is unknown.
        """
        ...

    def make_expert(self, task: str) -> Expert:
        """Makes the expert of the task.

        Raises:
            ValueError: If the task is unknown or has no expert.
        """
        ...


@runtime_checkable
class GoalSuite(Suite, Protocol):
    """A suite that declares which variations of a task share a goal.

    Variations of a task with the same goal number have the same goal, visible or hidden,
    and different initial states, so that the actions of one do not solve another. Support
    sets and evaluation episodes are drawn from different variations of one goal.

    The number of a goal is its first variation. A split cycles through its goals in order:
    with ``g`` goals, its first ``g * n`` variations contain each goal ``n`` times.
    """

    def goal_numbers(self, task: str, split: str) -> Sequence[int]:
        """The goal numbers of a task in a split, in the order in which they are used.

        Splits have no goal number in common.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        ...

    def goal_number(self, task: str, variation: int) -> int:
        """The goal number of a variation of a task.

        Raises:
            ValueError: If the task or the variation is unknown.
        """
        ...

    def variations_of_goal(self, task: str, goal: int) -> Sequence[int]:
        """The variations with a goal, in the order in which they are used.

        They belong to one split. There is a single one if each variation has its own goal.

        Raises:
            ValueError: If the task is unknown or no goal has this number.
        """
        ...


def find_task(suite: Suite, name: str) -> Task:
    """The task of this name among the training and held-out tasks of a suite.

    Raises:
        InputError: If the suite has no such task; the message names the nearest.
    """
    tasks = {task.name: task for task in (*suite.train_tasks, *suite.held_out_tasks)}
    check_known(f"{suite.name} task", name, tasks)
    return tasks[name]


def training_tasks(suite: Suite) -> tuple[Task, ...]:
    """The training tasks of a suite, for callers that use them where none are named.

    Raises:
        InputError: If the suite has none.
    """
    if not suite.train_tasks:
        held_out = first_task(suite).name
        raise InputError(
            f"{suite.name} has no training tasks; name held-out ones, such as '{held_out}'."
        )
    return suite.train_tasks


def first_task(suite: Suite) -> Task:
    """The first training task of a suite, or the first held-out one if it has none.

    Raises:
        InputError: If the suite has no task.
    """
    tasks = (*suite.train_tasks, *suite.held_out_tasks)
    if not tasks:
        raise InputError(f"{suite.name} has no tasks; a suite needs at least 1.")
    return tasks[0]


def one_env_per_process(suite: Suite) -> bool:
    """Whether a process must not have several of the suite's envs at a time."""
    return bool(getattr(suite, "one_env_per_process", False))


def envs_may_differ(suite: Suite) -> bool:
    """Whether the envs of two tasks may differ in sizes or rates, which is then checked."""
    return bool(getattr(suite, "envs_may_differ", False))


def goal_place(suite: Suite, task: str) -> slice | None:
    """Slice of a task's goal in ``observation["state"]``; None if hidden.

    It is the task's entry in ``goal_places``, if the suite has one, and otherwise ``goal``.
    """
    return None if suite.goal is None else own_goal_places(suite).get(task, suite.goal)


def own_goal_places(suite: Suite) -> Mapping[str, slice]:
    """The suite's ``goal_places``; empty if it has none."""
    slices: Mapping[str, slice] = getattr(suite, "goal_places", {})
    return slices


def families_of(suite: Suite) -> dict[str, tuple[str, ...]]:
    """The tasks that share a scene, by the name of their family.

    The result is empty for a suite without ``families``. Tasks that are not in the suite,
    such as a subset of another, are left out, and so are families with fewer than 2 tasks.
    """
    named: Mapping[str, Sequence[str]] = getattr(suite, "families", {})
    known = {task.name for task in (*suite.train_tasks, *suite.held_out_tasks)}
    found = {
        family: tuple(name for name in names if name in known)
        for family, names in named.items()
    }
    return {family: names for family, names in found.items() if len(names) > 1}


def definition_of(suite: Suite) -> dict[str, Any]:
    """The field of a request that tells apart suites of equal name and options.

    Its value is the suite's attribute ``definition``, of plain data, or its ``version``. The
    result is empty for a suite with neither.
    """
    if (own := getattr(suite, "definition", None)) is not None:
        return {DEFINITION: own}
    version = getattr(suite, "version", None)
    return {} if version is None else {DEFINITION: {"version": str(version)}}
