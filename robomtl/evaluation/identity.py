"""Identity of an evaluation: all data that its outcomes depend on."""

from collections.abc import Mapping, Sequence
from typing import Any

from robomtl.acting.actor import Agent, TaskInfo
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.trials import Chunk, side_by_side
from robomtl.files.request import digest_of_value, plain
from robomtl.task import Suite, definition_of
from robomtl.versions import packages


def suite_identity(suite: Suite) -> dict[str, Any]:
    """Fields by which journals and results distinguish suites, as plain data."""
    named = {"suite": suite.name, "options": suite.options}
    identity: dict[str, Any] = plain({**named, **definition_of(suite)})
    return identity


def identity_of(
    agents: Mapping[str, Agent],
    suite: Suite,
    conditions: Conditions,
    chunks: Sequence[Chunk],
) -> dict[str, Any]:
    """All data that outcomes depend on; variations and wordings are hashed.

    Args:
        agents: Agents that act, by role, such as ``agent``.
        suite: Suite of the tasks.
        conditions: Conditions of the evaluation.
        chunks: Trials with their instructions.
    """
    given = [
        (chunk.trials, [_given(each) for each in chunk.task_infos]) for chunk in chunks
    ]
    return {
        **{role: agent.fingerprint for role, agent in agents.items()},
        **suite_identity(suite),
        **plain(conditions),
        "trials": digest_of_value(given)[:12],
        "chunk": side_by_side(suite),
        "versions": packages(),
    }


def _given(task_info: TaskInfo) -> tuple[object, ...]:
    # None is left out, so that journals of earlier versions can be continued.
    return task_info[:2] if task_info.goal is None else task_info
