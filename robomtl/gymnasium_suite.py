"""The suite class that ``from_gymnasium`` builds; see ``robomtl.gymnasium_env``."""

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
from robomtl.plug_in import calling, inspection
from robomtl.splits import SPLITS, find_split
from robomtl.task import Env, Expert, Task, find_task
from robomtl.versions import versions_of_modules

RENDER = "render"
"""Name of a Gymnasium suite's only camera: pictures from ``render``."""


@dataclass(frozen=True, kw_only=True)
class GymnasiumSuite:
    """A suite of Gymnasium envs; built by ``from_gymnasium``.

    A registered suite is also a factory, which returns it with pictures; see ``__call__``.
    """

    name: str
    """Full name, under which the suite may be registered."""
    train_tasks: tuple[Task, ...]
    """Tasks to train on."""
    held_out_tasks: tuple[Task, ...]
    """Tasks kept for adaptation."""
    envs: Mapping[str, MakeEnv]
    """Gymnasium id, or function that makes an env, of each task."""
    settings: EnvSettings
    """Settings by which the envs are adapted."""
    experts: Mapping[str, Expert]
    """Experts by task, where a task has one."""
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tasks that share a scene, by the name of their family."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options that differ from the defaults; see ``__call__``."""
    definitions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Definitions of the given envs, experts and success; see ``robomtl.definition``."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of packages besides those that the envs' modules belong to."""
    render_mode: str | None = None
    """Render mode for envs whose constructors accept one; None passes nothing."""
    one_env_per_process: bool = False
    """Whether a process must not have several of the suite's envs at a time."""

    def __call__(
        self,
        variant: str = "",
        *,
        cameras: str | Sequence[str] = (),
        size: int | None = None,
    ) -> "GymnasiumSuite":
        """This suite with options, as ``robomtl.suite`` makes it.

        Args:
            variant: Must be empty, as the suite has no variants.
            cameras: ``render`` adds pictures from the env's ``render`` to observations,
                as the feature ``image.render``.
            size: Width and height of these pictures [px]; 84 by default.

        Raises:
            InputError: If a variant is given, or a camera is unknown.
        """
        if variant:
            raise InputError(
                f"There is no suite '{self.name}/{variant}': the suite '{self.name}' has"
                " no variants."
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
        """Whether tasks have different envs, which are then compared before collection."""
        first, *others = self.envs.values()
        return any(other != first for other in others)

    @property
    def goal(self) -> slice | None:
        """Slice of ``desired_goal`` in the first task's state.

        None unless all envs have a ``desired_goal``, of equal length.
        """
        first, *others = self._names
        usual = self._layout(first).goal
        if usual is None:
            return None
        goals = [self._layout(task).goal for task in others]
        equal = all(
            it and it.stop - it.start == usual.stop - usual.start for it in goals
        )
        return usual if equal else None

    @property
    def goal_places(self) -> Mapping[str, slice]:
        """Slice of the goal in the state, for each task in which it differs from ``goal``."""
        if (usual := self.goal) is None:
            return {}
        goals = {task: self._layout(task).goal for task in self._names}
        return {task: it for task, it in goals.items() if it and it != usual}

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
            InputError: If the task or the split is unknown.
        """
        find_task(self, task)
        return find_split(SPLITS, split)

    def embodiment(self, task: str) -> Embodiment:
        """The embodiment of a task; tasks of equal layout share one.

        The embodiment of the first task has the suite's name; any other is named after the
        suite and the first task that has it, such as ``kitchen.open-door``.

        Raises:
            InputError: If the task is unknown, or its spaces are not supported.
            PlugInError: If its env cannot be made.
        """
        name = find_task(self, task).name
        layout = self._layout(name)
        own = next(each for each in self._names if self._layout(each) == layout)
        first = own == self._names[0]
        return layout.embodiment(self.name if first else f"{self.name}.{own}")

    def make_env(self, task: str) -> Env:
        """An env of the task.

        Raises:
            InputError: If the task is unknown, or its env is not supported; see
                ``GymnasiumEnv``.
        """
        name = find_task(self, task).name
        return GymnasiumEnv(self._made(name), name, self.settings)

    def with_camera(self, camera: Camera) -> "GymnasiumSuite":
        """This suite with envs that render pictures, with the envs' own settings.

        Raises:
            InputError: If the camera has any settings.
        """
        refuse_settings(self.name, camera)
        seen = replace(self, render_mode="rgb_array")
        vars(seen)["_layouts"] = self._layouts  # They do not depend on the camera.
        return seen

    def make_expert(self, task: str) -> Expert:
        """The expert of the task.

        Raises:
            InputError: If the task is unknown or has no expert.
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
        """Cache of layouts by task, which workers receive with the suite."""
        return {}

    def _layout(self, task: str) -> Layout:
        """The layout of a task; one env is made for each different id or function."""
        known = self._layouts
        if task not in known:
            same = [each for each in known if self.envs[each] == self.envs[task]]
            if same:
                known[task] = known[same[0]]
            else:
                making = calling(f"The env of '{task}' of {self.name} cannot be made")
                with making, inspection(partial(self._made, task)) as env:
                    known[task] = layout_of(task, env, self.settings.rendered)
        return known[task]
