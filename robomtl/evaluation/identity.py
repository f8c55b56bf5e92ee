"""The identity of an evaluation: everything its outcomes depend on."""

from collections.abc import Mapping, Sequence
from typing import Any

from robomtl.acting.actor import Agent, TaskInfo
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.trials import Chunk, side_by_side
from robomtl.files.request import digest_of_value, plain
from robomtl.task import Suite, definition_of
from robomtl.versions import packages


def suite_identity(suite: Suite) -> dict[str, Any]:
    """The fields by which journals and results tell suites apart; plain."""
    named = {"suite": suite.name, "options": suite.options}
    identity: dict[str, Any] = plain({**named, **definition_of(suite)})
    return identity


def identity_of(
    agents: Mapping[str, Agent],
    suite: Suite,
    conditions: Conditions,
    chunks: Sequence[Chunk],
) -> dict[str, Any]:
    """Everything outcomes depend on; the hash stands for variations and wordings.

    Args:
        agents: Who plays, by the part they take.
        suite: Supplies the tasks.
        conditions: Under which they play.
        chunks: What they play.
    """
    given = [
        (chunk.trials, [_given(each) for each in chunk.task_infos]) for chunk in chunks
    ]
    return {
        **{part: agent.fingerprint for part, agent in agents.items()},
        **suite_identity(suite),
        **plain(conditions),
        "trials": digest_of_value(given)[:12],
        "chunk": side_by_side(suite),
        "versions": packages(),
    }


def _given(task_info: TaskInfo) -> tuple[object, ...]:
    # A goal is left out where there is none, so that earlier journals go on.
    return task_info[:2] if task_info.goal is None else task_info
