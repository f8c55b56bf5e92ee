"""The conditioning of a policy of some data, and where its states hold the goal."""

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
"""First component of a state that holds a goal, and the one after its last."""


def conditioning_for(
    data: Data,
    kinds: Sequence[Kind],
    objective: Objective,
    wording: Wording = "embedding",
) -> Conditioning:
    """The conditioning of a policy: the given kinds, and what the objective infers.

    Raises:
        InputError: If a kind is unknown, twice there, or needs what is missing.
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
    """Where states hold the goal; and where else, by the tasks for which that differs.

    Args:
        demonstrations: Of a suite that says where.
        kinds: What a policy is conditioned on.

    Raises:
        InputError: If it is conditioned on the goal, and no suite is named.
    """
    if demonstrations.suite is None:
        if "goal" in kinds:
            raise InputError(
                f"{demonstrations.path} {demonstrations.origin}, which does not say where"
                " its states hold the goal; condition on language or one_hot."
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
    """The same for data sets that hold goals in different places."""
    if "goal" not in kinds:
        return None, {}
    for each, (place, _) in zip(data.sets, found, strict=True):
        if place is None:
            raise InputError(
                f"{each.path} hides the goal, which another data set of the mixture shows;"
                " condition on language or one_hot."
            )
    own = {
        data.tasks[index]: theirs.get(task, place)
        for number, (each, (place, theirs)) in enumerate(
            zip(data.sets, found, strict=True)
        )
        for task, index in zip(each.tasks, data.places(number), strict=True)
    }
    return found[0][0], {task: place for task, place in own.items() if place}


def goal_warning(data: Data, conditioning: Conditioning) -> str:
    """A warning if a policy is conditioned on goals that do not distinguish its tasks.

    Empty if there is nothing to warn of. It is judged by the demonstrations, or by episodes
    of the suite if there are few of them.
    """
    if conditioning.kinds != ("goal",):
        return ""
    said = (_goal_warning(each) for each in data.sets if each.suite is not None)
    return " ".join(filter(None, said))


def _goal_warning(demonstrations: Demonstrations) -> str:
    made = suite(str(demonstrations.suite), **demonstrations.suite_options)
    task, starts = demonstrations.episodes.task, demonstrations.first_states
    states = {
        name: starts[task == index] for index, name in enumerate(demonstrations.tasks)
    }
    if min(map(len, states.values())) < goals.SAMPLE:
        states = goals.first_states(made, demonstrations.tasks)
    return goals.warning(made.name, goals.indistinguishable_tasks(made, states=states))
