"""Evaluation of an agent in the trials of a plan, and its results."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from robomtl.acting.actor import Agent, Conditioned, Configured, Named, Placed
from robomtl.errors import InputError
from robomtl.evaluation import protocols
from robomtl.evaluation.conditions import Conditions, Plan
from robomtl.evaluation.identity import identity_of, suite_identity
from robomtl.evaluation.journal import Journal, open_journal
from robomtl.evaluation.loop import play_cells
from robomtl.evaluation.records import Record, records_of
from robomtl.evaluation.results import RESULTS, Results, Setting
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.trials import Chunk
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.executor import Executor
from robomtl.files.folder_kinds import JOURNAL
from robomtl.task import Suite


def play_plan(plan: Plan, agent: Agent, folder: Path, executor: Executor) -> Results:
    """Plays the remaining trials of a plan; returns the results of all its trials.

    Args:
        plan: Suite, conditions and trials.
        agent: Agent that acts.
        folder: Folder of the journal; no other process may write into it.
        executor: Executor that plays the trials.

    Raises:
        InputError: If the folder has other content; see ``journal_in``.
    """
    suite, conditions, chunks = plan.suite, plan.conditions, plan.chunks
    identity = identity_of({"agent": agent}, suite, conditions, chunks)
    journal = journal_in(folder, identity, chunks, agent)
    finish(journal, chunks, PlayChunk(agent, suite, conditions.until), executor)
    played = [(chunk, journal.outcomes[i]) for i, chunk in enumerate(chunks)]
    return results_of(agent, suite, conditions, played, journal)


def journal_in(
    folder: Path, identity: Mapping[str, Any], chunks: Sequence[Chunk], agent: Agent
) -> Journal:
    """Journal of an agent's evaluation in a folder, new or continued.

    Args:
        folder: Folder of the evaluation.
        identity: Everything that outcomes depend on; see ``identity_of``.
        chunks: Trials with their instructions.
        agent: Agent that acts.

    Raises:
        InputError: If the folder has another evaluation, or results without a journal.
    """
    path = folder / JOURNAL
    if (folder / RESULTS).exists() and not path.exists():
        raise InputError(
            f"{folder} holds a {RESULTS} but no {JOURNAL} to continue from; choose"
            " another folder."
        )
    argument = agent.argument if isinstance(agent, Named) else None
    device = agent.device if isinstance(agent, Placed) else None
    origin = {
        "agent": argument,
        "acting": agent.acting if isinstance(agent, Configured) else {},
        "device": device,
        "folder": str(Path.cwd()),
    }
    sizes = [len(chunk.trials) for chunk in chunks]
    return open_journal(path, identity, sizes, origin=origin)


def finish(
    journal: Journal,
    chunks: Sequence[Chunk],
    play: PlayChunk,
    executor: Executor,
    *,
    title: str = "Evaluation",
) -> None:
    """Plays the chunks that are not in the journal, and records them.

    Args:
        journal: Journal of all chunks, by index.
        chunks: All chunks of the plan.
        play: Work function that plays a chunk.
        executor: Executor of the work.
        title: Title of the progress line.
    """
    for _ in play_cells(journal, dict(enumerate(chunks)), play, executor, title=title):
        pass


def results_of(
    agent: Agent,
    suite: Suite,
    conditions: Conditions,
    played: Sequence[tuple[Chunk, Sequence[Outcome]]],
    journal: Journal,
) -> Results:
    """Results of played chunks.

    Args:
        agent: Agent that acted.
        suite: Suite of the tasks.
        conditions: Conditions of the trials.
        played: Pairs of a chunk and the outcomes of its trials.
        journal: Journal in which the chunks are recorded.
    """
    records = tuple(
        record for chunk, outcomes in played for record in records_of(chunk, outcomes)
    )
    fields: dict[str, Any] = asdict(conditions)
    del fields["tasks"]  # The tasks' rates name them.
    setting = Setting(
        agent=agent.name,
        fingerprint=agent.fingerprint,
        conditioning=agent.conditioning_kinds
        if isinstance(agent, Conditioned)
        else None,
        acting=agent.actor_settings if isinstance(agent, Configured) else {},
        protocol=protocols.name_of(conditions, suite),
        **suite_identity(suite),
        **fields,
        horizon=_horizon(suite, conditions, records),
        **journal.made(),
    )
    every = (*suite.train_tasks, *suite.held_out_tasks)
    tiers = {task.name: task.tier for task in every}
    played_tiers = {chunk.task: tiers[chunk.task] for chunk, _ in played}
    return Results(setting=setting, records=records, task_tiers=played_tiers)


def _horizon(
    suite: Suite, conditions: Conditions, records: Sequence[Record]
) -> int | None:
    """Horizon of the suite, else the length of the longest trial; None if unknown."""
    if "horizon" in suite.options:
        return int(suite.options["horizon"])
    lengths = [record.length for record in records if record.length is not None]
    seen = conditions.until == "horizon" and lengths
    return max(lengths) if seen else None
