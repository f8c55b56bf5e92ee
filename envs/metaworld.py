"""Suites of Meta-World's benchmarks: MT10, MT25, MT50, ML1, ML10, ML25, ML45, custom.

The 50 official goals of each task are those that Meta-World 3.1.1 draws with seed 42; the
test goals of ML1 are drawn with seed 43. A suite is plain data; Meta-World and MuJoCo are
imported when its first env or expert is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from robomtl.arguments import checked
from robomtl.camera import Camera
from robomtl.envs import metaworld_tasks
from robomtl.envs.metaworld_benchmarks import VARIANTS, WALLS, split_of
from robomtl.envs.metaworld_cameras import CAMERAS
from robomtl.envs.metaworld_config import Goals, MetaWorldConfig
from robomtl.envs.metaworld_env import GOAL, MetaWorldEnv
from robomtl.envs.metaworld_objects import geometry, positions
from robomtl.envs.metaworld_simulator import Simulator
from robomtl.envs.metaworld_starts import VariedStarts
from robomtl.envs.metaworld_tasks import Split
from robomtl.envs.metaworld_variations import Variations
from robomtl.envs.metaworld_walls import TwoWayVariations
from robomtl.envs.mujoco_opengl import check_named_backend
from robomtl.envs.mujoco_views import settled
from robomtl.errors import InputError
from robomtl.features import ActionFeature
from robomtl.geometry import Geometry
from robomtl.names import several
from robomtl.pictures import Pictures, chosen
from robomtl.shifts.shift import Need
from robomtl.splits import find_split
from robomtl.task import Expert, Task, find_task

_CAMERA = Camera(name="corner2", profile="fast", width=480, height=480)


@dataclass(frozen=True, kw_only=True)
class MetaWorldSuite:
    """Suite of a Meta-World benchmark.

    Splits of each task's variations: ``official``, Meta-World's own 50 goals (in
    ``custom``, those of MT1); ``fresh`` and ``train``, disjoint and a million each. A task
    that Meta-World uses both for training and for testing is a training task, with its
    training goals in ``official`` and its test goals in ``official_test``: the task of
    ML1, and basketball-v3 of ML25.

    With ``varied`` starts, each split has 50 goals per task and thousands of starts per
    goal. The first 50 variations have different goals, the next 50 have the same goals in
    the same order, and so on. ``official`` has Meta-World's own goals.
    """

    variant: str = "MT10"
    """Name of the variant, one of ``VARIANTS`` with a task's name for ``<task>``."""
    config: MetaWorldConfig = field(default_factory=MetaWorldConfig)
    """Options of the suite; defaults of the variant are filled in."""
    markers: bool | None = None
    """Whether observed images show the goal's marker; None: if goals are observable."""
    camera: Camera | None = None
    """Camera of ``render``; it changes no episode and is not among the options."""

    def __post_init__(self) -> None:
        """Fills in the defaults of the variant, and checks the options.

        Raises:
            InputError: If the variant, a task, a camera or an option is unknown or not
                allowed.
        """
        object.__setattr__(self, "config", self._settled())
        _ = self._split
        if self.config.goals == "hidden" and self.variant.startswith("MT"):
            raise InputError(
                f"metaworld/{self.variant} cannot hide goals: multi-task suites show"
                " them. Hidden goals are for ML1, ML10, ML25, ML45 and custom."
            )
        if self.markers is None and self.pictures is not None:
            object.__setattr__(self, "markers", self.config.goals == "observable")

    def _settled(self) -> MetaWorldConfig:
        """Options with the defaults of the variant and of observed images filled in."""
        usual: Goals = "hidden" if self.variant.startswith("ML") else "observable"
        pictures = self.pictures
        return replace(
            self.config,
            goals=self.config.goals or usual,
            cameras=pictures.cameras if pictures else (),
            size=pictures.size if pictures else None,
            profile=pictures.profile if pictures else None,
            train_tasks=several("train_tasks", self.config.train_tasks),
            held_out_tasks=several("held_out_tasks", self.config.held_out_tasks),
        )

    @property
    def pictures(self) -> Pictures | None:
        """Images that are observed together with the state; None for none."""
        given = self.config
        return chosen(
            self.name,
            CAMERAS,
            cameras=given.cameras,
            size=given.size,
            profile=given.profile,
        )

    @property
    def _split(self) -> Split:
        given = self.config
        return split_of(
            self.variant, tuple(given.train_tasks), tuple(given.held_out_tasks)
        )

    @property
    def name(self) -> str:
        """Full name, such as ``metaworld/MT10``."""
        return f"metaworld/{self.variant}"

    @property
    def options(self) -> Mapping[str, Any]:
        """Options with which ``robomtl.suite`` rebuilds the suite."""
        given = self.config
        options: dict[str, Any] = {
            "goals": given.goals,
            "horizon": given.horizon,
            "reward": given.reward,
            "upstream": given.upstream,
        }
        if given.starts != "fixed":  # The default is left out, as in earlier records.
            options["starts"] = given.starts
        if self.pictures is not None:
            options |= self.pictures.options
        if self.variant != "custom":
            return options
        tasks = {
            "train_tasks": given.train_tasks,
            "held_out_tasks": given.held_out_tasks,
        }
        return options | {key: list(names) for key, names in tasks.items()}

    @property
    def train_tasks(self) -> tuple[Task, ...]:
        """Tasks to train on."""
        return tuple(metaworld_tasks.task(name) for name in self._split.train)

    @property
    def held_out_tasks(self) -> tuple[Task, ...]:
        """Tasks held out for adaptation; empty in MT suites."""
        return tuple(metaworld_tasks.task(name) for name in self._split.held_out)

    @property
    def families(self) -> Mapping[str, tuple[str, ...]]:
        """Families of the benchmark's tasks that share a scene."""
        known = {*self._split.train, *self._split.held_out}
        families = {
            family: tuple(name for name in names if name in known)
            for family, names in metaworld_tasks.FAMILIES.items()
        }
        return {family: names for family, names in families.items() if len(names) > 1}

    @property
    def goal(self) -> slice | None:
        """Slice of the goal in a state; None if goals are hidden."""
        return GOAL if self.config.goals == "observable" else None

    @property
    def expert_suite(self) -> "MetaWorldSuite":
        """This suite with observable goals, which experts need.

        Its episodes begin in the same states, and its images do not show the goal either.
        To demonstrate in this suite, collect there and set ``state[expert_suite.goal]`` to
        zero.
        """
        return replace(self, config=replace(self.config, goals="observable"))

    @property
    def action(self) -> ActionFeature:
        """Action: displacement of the hand, and effort that closes the gripper."""
        units = ("0.01 m", "0.01 m", "0.01 m", "close")
        return ActionFeature(size=4, names=("x", "y", "z", "gripper"), units=units)

    @property
    def undisturbed_actions(self) -> int:
        """Trailing components of an action that ``collect`` never disturbs: the gripper."""
        return 1

    @property
    def alterable(self) -> tuple[Need, ...]:
        """Aspects of the simulation that shifts can change; see ``robomtl.shifts``."""
        seen: tuple[Need, ...] = ("pictures", "table") if self.pictures else ()
        return seen if self.config.upstream else ("physics", "start", *seen)

    @property
    def table(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Lower and upper bounds of the positions of objects on the table [m]."""
        return (-0.4, 0.4, 0.0), (0.4, 0.9, 0.0)

    def variations(self, task: str, split: str) -> range:
        """Variations of a task in a split.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        return find_split(self._variations(task).splits, split)

    def goal_numbers(self, task: str, split: str) -> range:
        """Goals of a split, numbered by the first variation that has them.

        Raises:
            ValueError: If the task or the split is unknown.
        """
        return self._variations(task).goal_numbers(split)

    def goal_number(self, task: str, variation: int) -> int:
        """Goal of a variation; with fixed starts, each variation has its own.

        Raises:
            ValueError: If the task or the variation is unknown.
        """
        return self._variations(task).goal_number(variation)

    def variations_of_goal(self, task: str, goal: int) -> range:
        """Variations that share a goal.

        Raises:
            ValueError: If the task or the goal is unknown.
        """
        return self._variations(task).variations_of_goal(goal)

    def make_env(self, task: str) -> MetaWorldEnv:
        """Makes an env of the task; imports Meta-World.

        Raises:
            ValueError: If the task is unknown.
            ImportError: If ``MUJOCO_GL`` names a library that is missing.
        """
        check_named_backend()
        from robomtl.envs.metaworld_camera import metaworld_camera
        from robomtl.envs.metaworld_fast import FastSimulator
        from robomtl.envs.metaworld_upstream import UpstreamSimulator

        variations, pictures = self._variations(task), self.pictures
        dense = self.config.reward == "dense"
        seen = self.camera is not None or pictures is not None
        simulator: Simulator = (
            UpstreamSimulator(task)
            if self.config.upstream
            else FastSimulator(task, dense_reward=dense, textured=seen)
        )
        cameras = pictures.by_feature if pictures else {}
        return MetaWorldEnv(
            variations,
            simulator,
            horizon=self.config.horizon,
            goal_observable=self.config.goals == "observable",
            dense_reward=dense,
            eye=metaworld_camera(simulator.env, self.camera) if self.camera else None,
            observed={
                name: metaworld_camera(simulator.env, each, markers=bool(self.markers))
                for name, each in cameras.items()
            },
        )

    def with_camera(self, camera: Camera) -> "MetaWorldSuite":
        """This suite with envs that render images, upright.

        By default, the camera is corner2, the profile ``fast``, and width and height are
        480 px, as in Meta-World.

        Raises:
            InputError: If the camera is unknown, or ``MUJOCO_GL`` disables rendering.
            ImportError: If there is no OpenGL library; says which package has it.
        """
        return replace(self, camera=settled("metaworld", camera, _CAMERA, CAMERAS))

    def positions(self, task: str) -> Mapping[str, slice]:
        """Slices of the positions of hand, objects and observable goal in a state [m].

        Raises:
            ValueError: If the task is unknown.
        """
        known = positions(find_task(self, task).name)
        return known if self.goal is None else {**known, "goal": self.goal}

    def geometry(self, task: str) -> Geometry:
        """Meaning of the components of a state, which has the current and last positions.

        Raises:
            ValueError: If the task is unknown.
        """
        return geometry(find_task(self, task).name, self.goal)

    def make_expert(self, task: str) -> Expert:
        """Scripted policy of the task; Meta-World's own, except in ``walls``.

        Raises:
            InputError: If the task is unknown or goals are hidden.
            ImportError: If ``MUJOCO_GL`` names a library that is missing.
        """
        check_named_backend()
        from robomtl.envs.metaworld_expert import MetaWorldExpert
        from robomtl.envs.metaworld_expert_two_way import TwoWayExpert

        name = find_task(self, task).name
        if self.config.goals == "hidden":
            raise InputError(
                f"Experts of {self.name} need the goal: act in suite.expert_suite, where"
                " it is observable, and set it to zero in the states that you store."
            )
        return TwoWayExpert(name) if self.variant == WALLS else MetaWorldExpert(name)

    def _variations(self, task: str) -> Variations | VariedStarts:
        name, split = find_task(self, task).name, self._split
        tested = split.held_out_draw if name in split.trained_and_tested else ""
        held_out = name in split.held_out
        draws = (split.held_out_draw,) if held_out else (split.train_draw, tested)
        kind = TwoWayVariations if self.variant == WALLS else Variations
        variations = kind(name, *draws)
        return (
            VariedStarts(variations) if self.config.starts == "varied" else variations
        )


@checked
def metaworld(
    variant: str = "", config: MetaWorldConfig | None = None
) -> MetaWorldSuite:
    """Suite of a Meta-World benchmark.

    Args:
        variant: One of ``metaworld.variants``; empty for ``MT10``.
        config: Options; ``robomtl.suite`` and the command line accept each by its name.

    Raises:
        InputError: If the variant, a task or an option is unknown or not allowed.
    """
    return MetaWorldSuite(variant=variant or "MT10", config=config or MetaWorldConfig())


metaworld.variants = VARIANTS  # type: ignore[attr-defined]
