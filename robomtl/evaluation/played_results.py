"""Results of the chunks of a plan that were played."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from robomtl.acting.actor import Agent, Conditioned, Configured
from robomtl.evaluation.journal import Journal
from robomtl.evaluation.planning import Plan
from robomtl.evaluation.records import Record, records_of
from robomtl.evaluation.results import Results, Setting
from robomtl.evaluation.rollout import Outcome


def results_of(
    agent: Agent, plan: Plan, outcomes: Sequence[Sequence[Outcome]], journal: Journal
) -> Results:
    """Results of a plan that was played.

    Args:
        agent: Agent that acted.
        plan: Suite, conditions and trials.
        outcomes: Outcomes of the trials of each chunk.
        journal: Journal in which the chunks are recorded.
    """
    played = zip(plan.chunks, outcomes, strict=True)
    records = tuple(record for each in played for record in records_of(*each))
    fields: dict[str, Any] = asdict(plan.conditions)
    del fields["tasks"]  # The tasks' rates name them.
    setting = Setting(
        agent=agent.name,
        fingerprint=agent.fingerprint,
        conditioning=agent.conditioning_kinds
        if isinstance(agent, Conditioned)
        else None,
        acting=agent.actor_settings if isinstance(agent, Configured) else {},
        protocol=plan.protocol,
        **plan.suite_identity,
        **fields,
        horizon=_horizon(plan, records),
        **journal.provenance(),
    )
    every = (*plan.suite.train_tasks, *plan.suite.held_out_tasks)
    tiers = {task.name: task.tier for task in every}
    played_tiers = {chunk.task: tiers[chunk.task] for chunk in plan.chunks}
    return Results(setting=setting, records=records, task_tiers=played_tiers)


def _horizon(plan: Plan, records: Sequence[Record]) -> int | None:
    """Horizon of the suite, else the length of the longest trial; None if unknown."""
    if "horizon" in plan.suite.options:
        return int(plan.suite.options["horizon"])
    lengths = [record.length for record in records if record.length is not None]
    seen = plan.conditions.until == "horizon" and lengths
    return max(lengths) if seen else None
