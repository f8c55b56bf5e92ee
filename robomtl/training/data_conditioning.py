"""Conditioning of a policy trained on some data, and the goal's position in states."""

from collections.abc import Sequence

from robomtl import goals
from robomtl.acting.agent import goal_of, goals_of
from robomtl.conditioning import Conditioning, Kind
from robomtl.conditioning.conditioning import Wording
from robomtl.demonstrations import Demonstrations
from robomtl.demonstrations.layout import STATE
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError
from robomtl.suites import suite
from robomtl.training.objective import Objective

Place = tuple[int, int]
"""Index of the first component of the goal in a state, and of the one after its last."""


def conditioning_for(
    data: Data,
    kinds: Sequence[Kind],
    objective: Objective,
    wording: Wording = "embedding",
) -> Conditioning:
    """The conditioning of a policy: the given kinds, and what the objective infers.

    Raises:
        InputError: If a kind is unknown, repeated, or needs what the data lack.
    """
    found = [goals_in(each, kinds) for each in data.sets]
    goal, own = found[0]
    if any(each != found[0] for each in found):
        goal, own = _different_goals(data, kinds, found)
    inferred: tuple[Kind, ...] = ("demonstration",) if objective.demonstration else ()
    return Conditioning(
        kinds=(*kinds, *inferred),
        tasks=data.tasks,
        goal=goal,
        demonstration=objective.demonstration,
        goals=own,
        wording=wording,
    )


def goals_in(
    demonstrations: Demonstrations, kinds: Sequence[Kind]
) -> tuple[Place | None, dict[str, Place]]:
    """Position of the goal in states, and its positions for tasks that have their own.

    Args:
        demonstrations: Demonstrations of a suite that defines the positions.
        kinds: Kinds of the policy's conditioning.

    Returns:
        The position, None if states hide the goal; and positions by the names of tasks,
        empty if the policy is not conditioned on the goal.

    Raises:
        InputError: If the policy is conditioned on the goal, and no suite is named.
    """
    if demonstrations.suite is None:
        if "goal" in kinds:
            raise InputError(
                f"{demonstrations.path} {demonstrations.origin}, which does not say where"
                " its states contain the goal; condition on language or one_hot."
            )
        return None, {}
    made = suite(demonstrations.suite, **demonstrations.suite_options)
    size = demonstrations.size(STATE)
    return goal_of(made, size), goals_of(made, size) if "goal" in kinds else {}


def _different_goals(
    data: Data,
    kinds: Sequence[Kind],
    found: Sequence[tuple[Place | None, dict[str, Place]]],
) -> tuple[Place | None, dict[str, Place]]:
    """``goals_in`` for data sets with goals at different positions of their states."""
    if "goal" not in kinds:
        return None, {}
    for each, (goal, _) in zip(data.sets, found, strict=True):
        if goal is None:
            raise InputError(
                f"{each.path} hides the goal, which another data set of the mixture shows;"
                " condition on language or one_hot."
            )
    own = {
        data.tasks[index]: theirs.get(task, goal)
        for number, (each, (goal, theirs)) in enumerate(
            zip(data.sets, found, strict=True)
        )
        for task, index in zip(each.tasks, data.task_indices(number), strict=True)
    }
    return found[0][0], {task: goal for task, goal in own.items() if goal}


def goal_warning(data: Data, conditioning: Conditioning) -> str:
    """A warning if a policy is conditioned on goals that do not distinguish its tasks.

    Empty if they do. Goals are compared in the first states of the demonstrations, or of
    new episodes of the suite if there are few demonstrations.
    """
    if conditioning.kinds != ("goal",):
        return ""
    warnings = (_goal_warning(each) for each in data.sets if each.suite is not None)
    return " ".join(filter(None, warnings))


def _goal_warning(demonstrations: Demonstrations) -> str:
    made = suite(str(demonstrations.suite), **demonstrations.suite_options)
    task, starts = demonstrations.episodes.task, demonstrations.first_states
    states = {
        name: starts[task == index] for index, name in enumerate(demonstrations.tasks)
    }
    if min(map(len, states.values())) < goals.SAMPLE:
        states = goals.first_states(made, demonstrations.tasks)
    return goals.warning(made.name, goals.indistinguishable_tasks(made, states=states))
