"""Plan of an evaluation: all that is determined before a trial is played."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robomtl.acting.actor import Agent, TaskInfo
from robomtl.evaluation import protocols
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.instructions import task_infos_of
from robomtl.evaluation.trials import Chunk, plan, side_by_side, split_into_chunks
from robomtl.files.request import digest_of_value, plain
from robomtl.task import Suite, definition_of
from robomtl.versions import packages


def suite_identity(suite: Suite) -> dict[str, Any]:
    """Fields by which journals and results distinguish suites, as plain data."""
    named = {"suite": suite.name, "options": suite.options}
    identity: dict[str, Any] = plain({**named, **definition_of(suite)})
    return identity


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Trials of an evaluation, and what identifies them."""

    suite: Suite
    """Suite of the tasks."""
    suite_identity: Mapping[str, Any]
    """Fields by which journals and results distinguish suites, as plain data."""
    conditions: Conditions
    """Conditions of the trials."""
    protocol: str
    """Name of the protocol that the conditions match; see ``protocols.name_of``."""
    chunks: tuple[Chunk, ...]
    """Trials with their instructions, divided into chunks."""


def planned(
    suite: Suite, conditions: Conditions, *, protocol: str | None = None
) -> Plan:
    """Plan of an evaluation.

    Args:
        suite: Suite of the tasks.
        conditions: Conditions of the trials.
        protocol: Name of a protocol that the conditions must match; None if they need not
            match any.

    Raises:
        ValueError: If the conditions violate the protocol, naming the differences, or do
            not fit the suite; see ``plan`` and ``task_infos_of``.
    """
    identity = suite_identity(suite)
    if protocol is not None:
        protocols.check(protocol, conditions, suite)
    matched = protocols.name_of(conditions, suite)
    trials = plan(
        suite,
        conditions.tasks,
        split=conditions.split,
        episodes=conditions.episodes,
        repeats=conditions.repeats,
    )
    task_infos = task_infos_of(
        suite, trials, conditions.instructions, seed=conditions.seed
    )
    return Plan(
        suite=suite,
        suite_identity=identity,
        conditions=conditions,
        protocol=matched,
        chunks=split_into_chunks(trials, task_infos, side_by_side(suite)),
    )


def identity_of(agents: Mapping[str, Agent], plan: Plan) -> dict[str, Any]:
    """All data that outcomes depend on; variations and wordings are hashed.

    Args:
        agents: Agents that act, by role, such as ``agent``.
        plan: Suite, conditions and trials.
    """
    given = [
        (chunk.trials, [_given(each) for each in chunk.task_infos])
        for chunk in plan.chunks
    ]
    return {
        **{role: agent.fingerprint for role, agent in agents.items()},
        **plan.suite_identity,
        **plain(plan.conditions),
        "trials": digest_of_value(given)[:12],
        "chunk": side_by_side(plan.suite),
        "versions": packages(),
    }


def _given(task_info: TaskInfo) -> tuple[object, ...]:
    # None is left out, so that journals of earlier versions can be continued.
    return task_info[:2] if task_info.goal is None else task_info
