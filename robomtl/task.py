"""Tasks, trials, and the contract by which a simulator supplies them."""

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
    """Difficulty tier by which results are grouped; empty where there is none."""

    def __post_init__(self) -> None:
        """Checks name and instructions; a single string becomes one instruction.

        Raises:
            InputError: If there is no instruction, or the name is no printable text.
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
        """The seed of whatever draws random numbers in it: 32 bits of its names."""
        names = f"{self.suite}/{self.task}/{self.variation}/{self.repeat}"
        return zlib.crc32(names.encode())


@runtime_checkable
class Announced(Protocol):
    """An env that is stepped at one time with others of its kind."""

    def announce(self, action: Action) -> None:
        """Prepares the next step, which has the same array.

        The first of the announced envs to be stepped waits for the steps of all.
        """
        ...


@runtime_checkable
class Privileged(Protocol):
    """An env whose expert observes what policies do not, such as positions without noise."""

    @property
    def expert_observation(self) -> Observation:
        """What the expert observes now, beside the last observation."""
        ...


class Expert(Protocol):
    """A demonstrator of one task, without memory of earlier steps."""

    def __call__(self, observation: Observation) -> Action:
        """The action for an observation, within [-1, 1]; shape (action,)."""
        ...


class Suite(Protocol):
    """A named set of tasks; what a simulator supplies.

    A suite is light to build, holds plain data only and can be pickled, so that worker
    processes receive it; simulators are built by ``make_env``.

    A suite that hides from policies the goals its experts need has one more property,
    ``expert_suite``: the same variations with the goals shown. Experts act there, and
    zeros take the goal's place in what is recorded.

    A suite whose tasks, envs or experts may change under the same name and options declares
    a property ``version``, or ``definition`` of plain data: work that was begun with
    another one is not resumed. ``from_gymnasium`` defines it.

    A suite whose actions end in components that bear no disturbance, such as a gripper
    that opens and closes, has one more property, ``undisturbed_actions``: their number,
    0 where it is not given. the noise of ``collect`` spares them.

    A suite whose envs can be seen has one more method, ``with_camera(camera)``: the same
    suite, but the ``render`` of its envs gives pictures, as Gymnasium's ``rgb_array``
    does, at the rate ``metadata["render_fps"]`` of steps in a second. The same actions
    lead through the same episodes, seen or not; ``robomtl.camera`` says what a camera is.

    A suite in which several variations of a task share a goal, so that one episode tells
    of the goal in another, has three more methods: see ``GoalSuite``.

    A suite whose states hold positions may say where, for those who watch, by the method
    ``positions(task)``: a slice of 2 or 3 numbers [m] by the name of the object.

    A suite in which some tasks share a scene, so that an agent has to know which of
    them is meant, says so by the property ``families``: names of at least 2 tasks each,
    by the name of the family. See ``families_of``, and ``robomtl.experiments.probe`` for their use.

    A suite in which one wording may fit two tasks, because their scenes tell them apart,
    sets the property ``shared_wordings``.

    A suite whose envs share something within a process, such as a single simulator or a
    global random generator, sets the property ``one_env_per_process``: its envs then live
    one at a time in a process. See ``one_env_per_process``.

    A suite whose envs come from elsewhere, so that those of two tasks may differ in sizes
    or rates, says so by the property ``envs_may_differ``: then they are compared before
    demonstrations are collected, at the cost of making each once.

    A suite whose tasks have their goals in different places of the state, for instance at
    different things in a scene, has the property ``goal_places``: the slice of each task's
    goal; a policy reads shorter ones filled up with zeros. See ``goal_place``.

    A suite whose actions displace what they move may say so, and where everything is, by
    the method ``geometry(task)``, a ``robomtl.geometry.Geometry``: training can then move,
    mirror and hide things, see ``robomtl.training.augmentation.Augmentation``.

    A suite that describes its actions, by names and by the displacement at full deflection,
    has a property ``action``, a ``robomtl.features.ActionFeature``, unless its method
    ``embodiment`` does: robots can then share one action, see ``robomtl.alignment``.

    A suite whose envs let shifts change their simulation says what of it by the property
    ``alterable``: see ``robomtl.shifts.shift.Need`` and ``Alterable``.

    A suite whose tasks differ in what is observed or how one acts has one more method,
    ``embodiment(task)``: see ``robomtl.features.EmbodiedSuite``.
    """

    @property
    def name(self) -> str:
        """Full name under which ``robomtl.suite`` finds it."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Plain data with which ``robomtl.suite(name, **options)`` builds it again."""
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
        """Where the goal vector lies in ``observation["state"]``; None if hidden."""
        ...

    def variations(self, task: str, split: str) -> Sequence[int]:
        """The variations of a task in a split, in the order they are to be used.

        Every suite has the disjoint splits ``train`` (for demonstrations) and ``fresh``
        (for evaluation); a suite may have others, such as ``official``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        ...

    def make_env(self, task: str) -> Env:
        """An env of the task that keeps the contract ``robomtl check`` proves.

        Raises:
            ValueError: If the task is unknown.
        """
        ...

    def make_expert(self, task: str) -> Expert:
        """A demonstrator of the task.

        Raises:
            ValueError: If the task is unknown or the suite has no demonstrator for it.
        """
        ...


@runtime_checkable
class GoalSuite(Suite, Protocol):
    """A suite that says which variations of a task share a goal.

    Variations of a task with the same goal number have the same goal, shown or hidden,
    and start differently, so that actions of one do not solve another. Draw a support set
    and the episodes it is to help in from different variations of one goal.

    A goal's number is that of the first variation that has it. A split goes through all
    its goals in order before it comes back to the first: with ``g`` goals, its first
    ``g * n`` variations are ``n`` of each.
    """

    def goal_numbers(self, task: str, split: str) -> Sequence[int]:
        """The goals of a task in a split, in the order they are to be used.

        Splits share no goal number.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        ...

    def goal_number(self, task: str, variation: int) -> int:
        """The goal of a variation of a task.

        Raises:
            ValueError: If the task or the variation is unknown.
        """
        ...

    def variations_of_goal(self, task: str, goal: int) -> Sequence[int]:
        """The variations that have a goal, in the order they are to be used.

        They lie in one split. A suite that gives each variation its own goal has one.

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


def one_env_per_process(suite: Suite) -> bool:
    """Whether envs of the suite must not live side by side in a process."""
    return bool(getattr(suite, "one_env_per_process", False))


def envs_may_differ(suite: Suite) -> bool:
    """Whether envs of two tasks may differ in sizes or rates, though they should not."""
    return bool(getattr(suite, "envs_may_differ", False))


def goal_place(suite: Suite, task: str) -> slice | None:
    """Where the goal of a task lies in ``observation["state"]``; None if hidden.

    It is the task's own of ``goal_places``, where the suite has them, and else ``goal``.
    """
    return None if suite.goal is None else own_goal_places(suite).get(task, suite.goal)


def own_goal_places(suite: Suite) -> Mapping[str, slice]:
    """The suite's ``goal_places``; empty where it has none."""
    places: Mapping[str, slice] = getattr(suite, "goal_places", {})
    return places


def families_of(suite: Suite) -> dict[str, tuple[str, ...]]:
    """The tasks that share a scene, by the name of their family.

    Empty for a suite that names no ``families``. Tasks that the suite has not are left
    out, as of a part of a suite, and so are families of which fewer than 2 are left.
    """
    named: Mapping[str, Sequence[str]] = getattr(suite, "families", {})
    known = {task.name for task in (*suite.train_tasks, *suite.held_out_tasks)}
    found = {
        family: tuple(name for name in names if name in known)
        for family, names in named.items()
    }
    return {family: names for family, names in found.items() if len(names) > 1}


def definition_of(suite: Suite) -> dict[str, Any]:
    """The field of a request that tells suites of one name and options apart.

    A suite declares it by an attribute ``definition`` of plain data, or ``version``; empty
    for a suite without either.
    """
    if (own := getattr(suite, "definition", None)) is not None:
        return {DEFINITION: own}
    version = getattr(suite, "version", None)
    return {} if version is None else {DEFINITION: {"version": str(version)}}
