"""The trials of a probe, with their instructions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.instructions import rivals_of
from robomtl.evaluation.planning import Plan, planned
from robomtl.evaluation.trials import plan, select
from robomtl.experiments.probe.kinds import (
    KINDS,
    RIGHT,
    WRONG,
    by_goal_alone,
    check_kinds,
    meaningless,
)
from robomtl.experiments.probe.replaced_goals import shown_goals
from robomtl.task import Suite, Task


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """The plans of a probe, by kind of instruction."""

    plans: Mapping[str, Plan]
    """Plans by kind: the same trials with other instructions; ``wrong`` also omits tasks
    that share no scene with another."""
    left_out: Mapping[str, str]
    """Reason for each kind that is left out."""

    def whole(self, conditions: Conditions) -> Plan:
        """The plan that plays the chunks of all kinds, one kind after the other.

        Args:
            conditions: Conditions from which the plans were made.
        """
        chunks = tuple(chunk for plan in self.plans.values() for chunk in plan.chunks)
        return replace(self.plans[RIGHT], conditions=conditions, chunks=chunks)


def plan_probe(
    suite: Suite,
    conditions: Conditions,
    conditioning: Conditioning,
    kinds: Sequence[str] | None,
) -> ProbePlan:
    """The plan of a probe.

    Args:
        suite: Suite of the tasks.
        conditions: Conditions of the trials with the right instruction.
        conditioning: Conditioning of the policy.
        kinds: Kinds besides ``right``; None for all that apply.

    Raises:
        InputError: If a kind is unknown or a named kind does not apply, a task is unknown,
            or the suite has only one task.
    """
    if kinds is not None:
        check_kinds(kinds)
    _check_tasks(suite)
    wanted = [RIGHT, *(kind for kind in KINDS if kind in (kinds or KINDS))]
    plans: dict[str, Plan] = {}
    left_out: dict[str, str] = {}
    for kind in dict.fromkeys(wanted):
        try:
            given = _conditions(suite, conditions, conditioning, kind)
            plans[kind] = planned(suite, given)
        except _NoInstructionError as error:
            if kinds is not None:
                raise InputError(f"'{kind}' cannot be given: {error}.") from error
            left_out[kind] = str(error)
    if "goal" in conditioning.kinds:
        plans = dict(_with_goals(plans, by_goal_alone(conditioning)))
    return ProbePlan(plans=plans, left_out=left_out)


class _NoInstructionError(InputError):
    """A kind of instruction does not apply; the message gives the reason."""


def _check_tasks(suite: Suite) -> None:
    count = len(suite.train_tasks) + len(suite.held_out_tasks)
    if count < 2:
        raise InputError(
            f"{suite.name} has one task: there is no other task whose"
            " instruction the policy could get. Probe in a suite of 2 tasks or more."
        )


def _conditions(
    suite: Suite, conditions: Conditions, conditioning: Conditioning, kind: str
) -> Conditions:
    reason = meaningless(kind, conditioning) or _lacking(suite, conditions, kind)
    if reason:
        raise _NoInstructionError(reason)
    tasks = conditions.tasks
    instructions = KINDS[kind].instructions
    if kind == WRONG and by_goal_alone(conditioning):
        if conditions.episodes < 2:
            raise _NoInstructionError(
                "the goal of another variation needs at least 2 episodes per task"
            )
        instructions = KINDS[RIGHT].instructions
    elif kind == WRONG:
        tasks = _with_rivals(suite, conditions)
    return replace(conditions, tasks=tasks, instructions=instructions)


def _with_rivals(suite: Suite, conditions: Conditions) -> tuple[str, ...]:
    names = [task.name for task in select(suite, conditions.tasks)]
    found = tuple(name for name in names if name in rivals_of(suite))
    if not found:
        raise _NoInstructionError(
            f"{suite.name} names no other task that shares a scene with"
            f" {', '.join(names)}; see 'families' in the contract of a suite"
        )
    return found


def _lacking(suite: Suite, conditions: Conditions, kind: str) -> str:
    """Sentence that names the tasks without wordings of a kind; empty if none."""
    tasks = select(suite, conditions.tasks)
    lacking = [task.name for task in tasks if not _wordings(task, kind)]
    return f"there is no such wording for {', '.join(lacking)}" if lacking else ""


def _wordings(task: Task, kind: str) -> Sequence[str]:
    match kind:
        case "paraphrased":
            return task.instructions[1:]
        case "held-out":
            return task.held_out_instructions
    return task.instructions


def _with_goals(plans: Mapping[str, Plan], alone: bool) -> Iterator[tuple[str, Plan]]:
    """Pairs of kind and plan with goals, which requires a reset of every trial."""
    names = dict.fromkeys(
        name
        for each in plans.values()
        for chunk in each.chunks
        for name in (chunk.task, *(each.task for each in chunk.task_infos))
        if name is not None
    )
    suite, like = plans[RIGHT].suite, plans[RIGHT].conditions
    trials = plan(
        suite,
        list(names),
        split=like.split,
        episodes=like.episodes,
        repeats=like.repeats,
    )
    goals = shown_goals(suite, trials)
    for kind, own in plans.items():
        yield kind, replace(own, chunks=goals.replaced(own.chunks, kind, alone=alone))
