"""A suite of Gymnasium envs that know when they have succeeded; see ``gymnasium_env``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

from robomtl.arguments import checked
from robomtl.camera import Camera, refuse_settings
from robomtl.definition import definition
from robomtl.errors import InputError
from robomtl.gymnasium_env import (
    SPLITS,
    GymnasiumEnv,
    MakeEnv,
    Success,
    goal_in,
    layout,
    made,
)
from robomtl.gymnasium_ids import of_id
from robomtl.names import check_name, several
from robomtl.nearest import unknown
from robomtl.plug_in import looked_at
from robomtl.splits import find_split
from robomtl.task import Env, Expert, Task, find_task


@dataclass(frozen=True, kw_only=True)
class GymnasiumSuite:
    """Tasks that are Gymnasium envs; built by ``from_gymnasium``."""

    name: str
    """Full name, under which it is registered, if it is."""
    train_tasks: tuple[Task, ...]
    """Tasks to train on."""
    held_out_tasks: tuple[Task, ...]
    """Tasks kept for adaptation."""
    envs: Mapping[str, MakeEnv]
    """Gymnasium id or maker of each task."""
    success: Success
    """Key of info, or function of an ``Outcome``."""
    horizon: int
    """Number of steps of an episode."""
    experts: Mapping[str, Expert]
    """Demonstrators of tasks that have one."""
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tasks that share a scene, by the name of their family."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the registered factory, other than its defaults."""
    definitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Definitions of the given envs, experts and success; see ``robomtl.definition``."""
    render_mode: str | None = None
    """That of envs named by an id; a function that makes an env decides on its own."""
    one_env_per_process: bool = False
    """Whether its envs must not live side by side in a process."""

    @property
    def envs_may_differ(self) -> bool:
        """Whether envs are to be compared before demonstrations are collected."""
        return len(set(self.envs.values())) > 1

    @property
    def goal(self) -> slice | None:
        """Where ``desired_goal`` lies in the state, if the env has it."""
        return goal_in(self._layout)

    @property
    def definition(self) -> dict[str, Any]:
        """Definition of the suite; see ``definition_of``."""
        tasks = (*self.train_tasks, *self.held_out_tasks)
        given = {part: dict(each) for part, each in self.definitions.items()}
        envs = {
            task: of_id(it) for task, it in self.envs.items() if isinstance(it, str)
        }
        return {
            **given,
            "envs": {**given.get("envs", {}), **envs},
            "horizon": self.horizon,
            "instructions": {task.name: list(task.instructions) for task in tasks},
        }

    def variations(self, task: str, split: str) -> range:
        """The variations of a task in ``train`` or ``fresh``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(SPLITS, split)

    def make_env(self, task: str) -> Env:
        """An env of the task.

        Raises:
            ValueError: If the task is unknown, or its env does not fit; see
                ``GymnasiumEnv``.
        """
        name = find_task(self, task).name
        env = made(self.envs[name], self.horizon, self.render_mode)
        parts = layout(name, env)
        if len(parts) > 1:  # Vectors of one length are alike.
            self._check_layout(name, parts)
        return GymnasiumEnv(env, name, self.success, self.horizon)

    @cached_property
    def _layout(self) -> dict[str, int]:
        name = self.train_tasks[0].name
        with looked_at(partial(made, self.envs[name], self.horizon)) as env:
            return layout(name, env)

    def _check_layout(self, task: str, parts: Mapping[str, int]) -> None:
        """Refuses states of the same length as other tasks' that have other parts."""
        if self.one_env_per_process and "_layout" not in vars(self):
            return  # Another env must not be made beside this one.
        like = self._layout
        if [*like.items()] != [*parts.items()] and (
            sum(like.values()) == sum(parts.values())
        ):
            raise InputError(
                f"'{task}' observes {_named(parts)}, '{self.train_tasks[0].name}'"
                f" {_named(like)}; all tasks of a suite observe the same parts, of the"
                " same lengths."
            )

    def with_camera(self, camera: Camera) -> "GymnasiumSuite":
        """This suite with envs that show pictures, in their own way and size.

        Raises:
            ValueError: If anything else is asked of the pictures.
        """
        refuse_settings(self.name, camera)
        return replace(self, render_mode="rgb_array")

    def make_expert(self, task: str) -> Expert:
        """The expert that was given for the task.

        Raises:
            InputError: If the task is unknown or was given no expert.
        """
        name = find_task(self, task).name
        if name not in self.experts:
            raise InputError(unknown(f"{self.name} expert", name, self.experts))
        return self.experts[name]


def _named(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{key} ({size})" for key, size in parts.items())


@checked
def from_gymnasium(
    name: str,
    envs: Mapping[str, MakeEnv],
    instructions: Mapping[str, str | Sequence[str]],
    *,
    horizon: int,
    success: Success = "success",
    held_out: str | Sequence[str] = (),
    experts: Mapping[str, Expert] = MappingProxyType({}),
    families: Mapping[str, Sequence[str]] = MappingProxyType({}),
    one_env_per_process: bool = False,
) -> GymnasiumSuite:
    """A suite of Gymnasium envs, ready for ``robomtl.registry.SUITES.register``.

    Registered under its name, it is found by ``robomtl.suite`` and so by training.

    Functions are to be defined in a module, not inline, so that workers can import them;
    ids likewise, such as ``"my_module:MyEnv-v0"``.

    Args:
        name: Name of the suite.
        envs: Gymnasium id, or function that makes an env, of each task.
        instructions: Wordings of each task; one may stand for itself.
        horizon: Number of steps after which an episode is truncated.
        success: Key of info, or function of an ``Outcome``.
        held_out: Names of the tasks kept for adaptation.
        experts: Demonstrators of tasks; they see and act as policies do.
        families: Names of tasks that share a scene, by the name of their family; see
            ``robomtl.probe``.
        one_env_per_process: Whether envs share something within a process, such as a
            simulator of which there is one or a global random generator, so that they
            must not live side by side. ``robomtl check`` finds out.

    Raises:
        InputError: If a task lacks an env or instructions, or none is left to train on.
    """
    check_name("suite", name)
    held = several("held_out", held_out)
    groups = {
        family: several(f"family '{family}'", each) for family, each in families.items()
    }
    for kind, named in {"env": envs, "expert": experts}.items():
        for task in named.keys() - instructions.keys():
            raise InputError(unknown(f"task of an {kind}", task, instructions))
    for task in instructions.keys() - envs.keys():
        raise InputError(f"The task '{task}' has instructions but no env.")
    for task in set(held) - instructions.keys():
        raise InputError(unknown("held-out task", task, instructions))
    for task in {name for names in groups.values() for name in names}:
        if task not in instructions:
            raise InputError(unknown("task of a family", task, instructions))
    if horizon < 1:
        raise InputError(f"horizon is {horizon}; give at least 1.")
    tasks = [
        Task(name=n, instructions=several(f"instructions of '{n}'", w))
        for n, w in instructions.items()
    ]
    if len(set(held)) == len(tasks):
        raise InputError(f"{name} has no task to train on; hold out fewer.")
    # Before anything is called, which may change what an expert remembers.
    parts = {"envs": envs, "experts": experts, "success": {"by": success}}
    return GymnasiumSuite(
        name=name,
        train_tasks=tuple(task for task in tasks if task.name not in held),
        held_out_tasks=tuple(task for task in tasks if task.name in held),
        envs=dict(envs),
        success=success,
        horizon=horizon,
        experts=dict(experts),
        families=groups,
        one_env_per_process=one_env_per_process,
        definitions={
            part: {name: definition(it) for name, it in some.items()}
            for part, some in parts.items()
        },
    )
