"""Training and held-out tasks of Meta-World's benchmarks."""

from collections.abc import Mapping
from types import MappingProxyType

from robomtl.envs.metaworld_tasks import SPLITS, TASKS, Split
from robomtl.envs.metaworld_walls import WALL_TASKS
from robomtl.errors import InputError
from robomtl.nearest import check_known, unknown

WALLS = "walls"
"""Name of the benchmark whose experts are those of ``metaworld_expert_two_way``."""
VARIANTS: Mapping[str, str] = MappingProxyType(
    {
        "MT10": "10 tasks, goals observable; the default",
        "MT25": "25 tasks, goals observable",
        "MT50": "all 50 tasks, goals observable",
        "MT1/<task>": "1 task, goals observable",
        "ML1/<task>": "1 task, 50 goals for training and 50 others for testing",
        "ML10": "10 tasks, 5 others held out",
        "ML25": "25 tasks, 4 others held out",
        "ML45": "45 tasks, 5 others held out",
        WALLS: "2 tasks behind a wall, which experts pass on either side",
        "custom": "train_tasks and held_out_tasks as given",
    }
)


def split_of(
    variant: str, train: tuple[str, ...] = (), held_out: tuple[str, ...] = ()
) -> Split:
    """Tasks of a benchmark, and the draws of their goals.

    Args:
        variant: One of ``VARIANTS``, with a task's name in place of ``<task>``.
        train: Tasks to train on; only for ``custom``.
        held_out: Tasks held out for adaptation; only for ``custom``.

    Raises:
        InputError: If the variant or a task is unknown, or tasks are given for another
            variant than ``custom``.
    """
    if variant == "custom":
        return _custom(train, held_out)
    if train or held_out:
        raise InputError(
            f"metaworld/{variant} has its own tasks; train_tasks and held_out_tasks are"
            " for metaworld/custom."
        )
    return _known(variant)


def _known(variant: str) -> Split:
    if variant == WALLS:
        return Split(WALL_TASKS, "ML1")
    family, _, task = variant.partition("/")
    if variant in SPLITS:
        return SPLITS[variant]
    if family not in ("MT1", "ML1") or not task:
        raise InputError(unknown("variant of metaworld", variant, VARIANTS))
    return _single(family, task)


def _single(family: str, task: str) -> Split:
    check_known(f"{family} task", task, TASKS)
    if family == "MT1":
        return Split((task,), "ML1")
    return Split((task,), "ML1", (), "ML1-test", (task,))


def _custom(train: tuple[str, ...], held_out: tuple[str, ...]) -> Split:
    for name in (*train, *held_out):
        check_known("metaworld task", name, TASKS)
    if not train:
        raise InputError("metaworld/custom has no train_tasks; give at least 1.")
    repeated = {name for name in train if (*train, *held_out).count(name) > 1}
    repeated |= {name for name in held_out if held_out.count(name) > 1}
    if repeated:
        raise InputError(
            f"metaworld/custom names {', '.join(sorted(repeated))} more than once in"
            " train_tasks and held_out_tasks."
        )
    return Split(train, "ML1", held_out, "ML1")
