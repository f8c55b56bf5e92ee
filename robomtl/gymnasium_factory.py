"""``from_gymnasium``: builds a suite from Gymnasium envs."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack, get_type_hints

import numpy as np

from robomtl.arguments import checked, shown, typed
from robomtl.definition import definition
from robomtl.errors import InputError
from robomtl.gymnasium_env import EnvSettings
from robomtl.gymnasium_ids import of_maker
from robomtl.gymnasium_make import MakeEnv, parted
from robomtl.gymnasium_spaces import Bounds
from robomtl.gymnasium_success import Success
from robomtl.gymnasium_suite import GymnasiumSuite
from robomtl.names import check_name, several
from robomtl.nearest import check_known, unknown
from robomtl.task import Expert, Task


class SuiteOptions(TypedDict, total=False):
    """Optional settings of ``from_gymnasium``."""

    success: Success
    """Key of info, ``success`` by default; or a function of an ``Outcome``, such as
    ``GoalDistance(0.05)`` or ``RewardAtLeast(300)``."""
    held_out: str | Sequence[str]
    """Names of the tasks kept for adaptation."""
    experts: Mapping[str, Expert]
    """Experts by task, which read the observations and give the actions of policies."""
    families: Mapping[str, Sequence[str]]
    """Names of tasks that share a scene, by the name of their family; see
    ``robomtl.probe``."""
    one_env_per_process: bool
    """Whether envs share state within a process, such as a single simulator or a global
    random generator, so that a process must not have several at a time. ``robomtl check``
    detects this."""
    action_bounds: Bounds
    """Values to which -1 and 1 are mapped in action components that the envs leave
    unbounded; each bounded component is scaled to its own bounds."""


@checked
def from_gymnasium(
    name: str,
    envs: Mapping[str, MakeEnv],
    instructions: Mapping[str, str | Sequence[str]],
    *,
    horizon: int,
    **options: Unpack[SuiteOptions],
) -> GymnasiumSuite:
    """Builds a suite of Gymnasium envs, to be registered by ``SUITES.register``.

    ``robomtl.suite`` and training find a suite by the name under which it is registered
    in ``robomtl.registry.SUITES``.

    Functions must be defined at the top level of a module, so that workers can import
    them; ids should name their module, as in ``"my_module:MyEnv-v0"``. Tasks may differ in
    their spaces; tasks of equal layout share an embodiment.

    Args:
        name: Name of the suite.
        envs: Gymnasium id, or function that makes an env, of each task; or a pair of one
            of these and its keyword arguments, ``("Env-v0", {"size": 3})``.
        instructions: Wordings of each task; a single string is one wording.
        horizon: Number of steps after which an episode is truncated.
        **options: See ``SuiteOptions``.

    Raises:
        InputError: If a task lacks an env or instructions, all tasks are held out, or an
            option is unknown or of another type.
    """
    given = _typed_options(options)
    check_name("suite", name)
    held = several("held_out", given.get("held_out", ()))
    experts = given.get("experts", {})
    groups = {
        family: several(f"family '{family}'", each)
        for family, each in given.get("families", {}).items()
    }
    _check_tasks(instructions, envs, experts, held, groups)
    success = given.get("success", "success")
    settings = EnvSettings(
        horizon=horizon, success=success, action_bounds=given.get("action_bounds")
    )
    tasks = [
        Task(name=n, instructions=several(f"instructions of '{n}'", w))
        for n, w in instructions.items()
    ]
    if not tasks:
        raise InputError(
            f"{name} has no task; give envs and instructions of at least 1."
        )
    if len(set(held)) == len(tasks):
        raise InputError(f"{name} has no task to train on; hold out fewer.")
    return GymnasiumSuite(
        name=name,
        train_tasks=tuple(task for task in tasks if task.name not in held),
        held_out_tasks=tuple(task for task in tasks if task.name in held),
        envs=dict(envs),
        settings=settings,
        experts=dict(experts),
        families=groups,
        one_env_per_process=given.get("one_env_per_process", False),
        # Computed before any call, since a call may change the state of an expert.
        definitions=_definitions(envs, experts, success),
    )


def _definitions(
    envs: Mapping[str, MakeEnv], experts: Mapping[str, Expert], success: Success
) -> dict[str, dict[str, Any]]:
    """Definitions of the functions given as envs, experts and success."""
    made = {k: it for k, it in envs.items() if not isinstance(parted(it)[0], str)}
    return {
        "envs": {task: of_maker(it) for task, it in made.items()},
        "experts": {task: definition(it) for task, it in experts.items()},
        "success": {"by": definition(success)},
    }


def _typed_options(options: SuiteOptions) -> SuiteOptions:
    kinds = get_type_hints(SuiteOptions)
    for name in options:
        check_known("option of from_gymnasium", name, kinds)
    if not _are_bounds(options.get("action_bounds", (-1, 1))):
        raise InputError(
            f"action_bounds is {shown(options['action_bounds'])}; give (low, high), two"
            " numbers."
        )
    values: Any = {
        name: typed(name, value, kinds[name]) for name, value in options.items()
    }
    fitting: SuiteOptions = values
    return fitting


def _are_bounds(value: object) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(each, int | float | np.number) for each in value)
    )


def _check_tasks(
    instructions: Mapping[str, object],
    envs: Mapping[str, object],
    experts: Mapping[str, object],
    held: Sequence[str],
    families: Mapping[str, Sequence[str]],
) -> None:
    """Refuses tasks that lack an env or instructions, and unknown task names."""
    grouped = [task for names in families.values() for task in names]
    for kind, named in {
        "task of an env": envs,
        "task of an expert": experts,
        "held-out task": held,
        "task of a family": grouped,
    }.items():
        for task in sorted({*named} - instructions.keys()):
            raise InputError(unknown(kind, task, instructions))
    for task, expert in experts.items():
        if not callable(expert):
            raise InputError(
                f"The expert of '{task}' is {shown(expert)}; give a function of an"
                " observation."
            )
    for task in instructions.keys() - envs.keys():
        raise InputError(f"The task '{task}' has instructions but no env.")
