"""A suite of Gymnasium envs that know when they have succeeded; see ``gymnasium_env``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from robomtl.camera import Camera, refuse_settings
from robomtl.errors import InputError
from robomtl.features import Embodiment
from robomtl.files.request import VERSIONS
from robomtl.gymnasium_env import EnvSettings, GymnasiumEnv
from robomtl.gymnasium_ids import module_of, of_maker
from robomtl.gymnasium_make import MakeEnv, made, parted
from robomtl.gymnasium_spaces import Layout, layout_of
from robomtl.nearest import check_known
from robomtl.pictures import IMAGE, chosen
from robomtl.plug_in import looked_at
from robomtl.splits import SPLITS, find_split
from robomtl.task import Env, Expert, Task, find_task
from robomtl.versions import versions_of_modules

RENDER = "render"
"""The camera of a Gymnasium suite: the pictures that ``render`` gives."""


@dataclass(frozen=True, kw_only=True)
class GymnasiumSuite:
    """Tasks that are Gymnasium envs; built by ``from_gymnasium``.

    Registered ready, it is also the factory of itself with pictures; see ``__call__``.
    """

    name: str
    """Full name, under which it is registered, if it is."""
    train_tasks: tuple[Task, ...]
    """Tasks to train on."""
    held_out_tasks: tuple[Task, ...]
    """Tasks kept for adaptation."""
    envs: Mapping[str, MakeEnv]
    """What makes the env of each task."""
    settings: EnvSettings
    """How envs are read."""
    experts: Mapping[str, Expert]
    """Demonstrators of tasks that have one."""
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tasks that share a scene, by the name of their family."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options that differ from the defaults; see ``__call__``."""
    definitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Definitions of the given envs, experts and success; see ``robomtl.definition``."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of packages besides those that the envs' modules belong to."""
    render_mode: str | None = None
    """Passed on to what makes an env, where it takes it; None passes on nothing."""
    one_env_per_process: bool = False
    """Whether its envs must not live side by side in a process."""

    def __call__(
        self,
        variant: str = "",
        *,
        cameras: str | Sequence[str] = (),
        size: int | None = None,
    ) -> "GymnasiumSuite":
        """This suite with options, as ``robomtl.suite`` makes it.

        Args:
            variant: None; the suite is known by its name only.
            cameras: ``render`` for observations that hold the pictures of the env's
                ``render``, as ``image.render``.
            size: Width and height of these pictures, 84 unless given [px].

        Raises:
            InputError: If there is a variant, or no such camera.
        """
        if variant:
            raise InputError(
                f"There is no suite '{self.name}/{variant}': the suite '{self.name}' has"
                " no variants and is known by that name only."
            )
        pictures = chosen(
            self.name, (RENDER,), cameras=cameras, size=size, profile=None
        )
        if pictures is None:
            return self
        return replace(
            self,
            options={"cameras": [RENDER], "size": pictures.size},
            settings=replace(
                self.settings, rendered={f"{IMAGE}{RENDER}": pictures.size}
            ),
            render_mode="rgb_array",
        )

    @property
    def envs_may_differ(self) -> bool:
        """Whether envs are to be compared before demonstrations are collected."""
        first, *others = self.envs.values()
        return any(other != first for other in others)

    @property
    def goal(self) -> slice | None:
        """Where ``desired_goal`` lies in the state, if all envs have it, of one length."""
        first, *others = self._names
        usual = self._layout(first).goal
        if usual is None:
            return None
        goals = [self._layout(task).goal for task in others]
        alike = all(
            it and it.stop - it.start == usual.stop - usual.start for it in goals
        )
        return usual if alike else None

    @property
    def goal_places(self) -> Mapping[str, slice]:
        """Place of the goal in each task that has it elsewhere than at ``goal``."""
        if (usual := self.goal) is None:
            return {}
        places = {task: self._layout(task).goal for task in self._names}
        return {task: it for task, it in places.items() if it and it != usual}

    @property
    def definition(self) -> dict[str, Any]:
        """Definition of the suite; see ``definition_of``."""
        tasks = (*self.train_tasks, *self.held_out_tasks)
        bounds = self.settings.action_bounds
        modules = map(module_of, self.envs.values())
        versions = versions_of_modules(modules) | dict(self.versions)
        return {
            **{part: dict(each) for part, each in self.definitions.items()},
            "envs": {
                **self.definitions.get("envs", {}),
                **{
                    task: of_maker(it)
                    for task, it in self.envs.items()
                    if isinstance(parted(it)[0], str)
                },
            },
            "horizon": self.settings.horizon,
            "instructions": {task.name: list(task.instructions) for task in tasks},
            **({"action_bounds": list(bounds)} if bounds else {}),
            **({VERSIONS: versions} if versions else {}),
        }

    def variations(self, task: str, split: str) -> range:
        """The variations of a task in ``train`` or ``fresh``.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(SPLITS, split)

    def embodiment(self, task: str) -> Embodiment:
        """The features and actions of a task; tasks of one layout share an embodiment.

        It has the suite's name where it is that of the first task; another one is named
        after the suite and the first task that has it, such as ``kitchen.open-door``.

        Raises:
            ValueError: If the task is unknown, or an env does not fit.
        """
        name = find_task(self, task).name
        layout = self._layout(name)
        own = next(each for each in self._names if self._layout(each) == layout)
        first = own == self._names[0]
        return layout.embodiment(self.name if first else f"{self.name}.{own}")

    def make_env(self, task: str) -> Env:
        """An env of the task.

        Raises:
            ValueError: If the task is unknown, or its env does not fit; see
                ``GymnasiumEnv``.
        """
        name = find_task(self, task).name
        return GymnasiumEnv(self._made(name), name, self.settings)

    def with_camera(self, camera: Camera) -> "GymnasiumSuite":
        """This suite with envs that show pictures, in their own way and size.

        Raises:
            ValueError: If anything else is requested of the pictures.
        """
        refuse_settings(self.name, camera)
        seen = replace(self, render_mode="rgb_array")
        vars(seen)["_layouts"] = self._layouts  # They do not depend on the camera.
        return seen

    def make_expert(self, task: str) -> Expert:
        """The expert that was given for the task.

        Raises:
            InputError: If the task is unknown or was given no expert.
        """
        name = find_task(self, task).name
        check_known(f"{self.name} expert", name, self.experts)
        return self.experts[name]

    def _made(self, task: str) -> Any:
        return made(self.envs[task], self.render_mode)

    @property
    def _names(self) -> list[str]:
        return [task.name for task in (*self.train_tasks, *self.held_out_tasks)]

    @cached_property
    def _layouts(self) -> dict[str, Layout]:
        """The layouts that are known; workers receive them with the suite."""
        return {}

    def _layout(self, task: str) -> Layout:
        """The layout of a task; an env is made once of each maker that differs."""
        known = self._layouts
        if task not in known:
            like = [each for each in known if self.envs[each] == self.envs[task]]
            if like:
                known[task] = known[like[0]]
            else:
                with looked_at(partial(self._made, task)) as env:
                    known[task] = layout_of(task, env, self.settings.rendered)
        return known[task]
