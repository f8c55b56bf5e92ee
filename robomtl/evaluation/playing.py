"""Evaluation of an agent in the trials of a plan."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robomtl.acting.actor import Agent, Configured, Named, Placed
from robomtl.errors import InputError
from robomtl.evaluation.journal import Journal, open_journal
from robomtl.evaluation.loop import finish
from robomtl.evaluation.planning import Plan, identity_of
from robomtl.evaluation.played_results import results_of
from robomtl.evaluation.results import RESULTS, Results
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.executor import Executor
from robomtl.files.folder_kinds import JOURNAL


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
    journal = journal_in(folder, plan, agent)
    play = PlayChunk(agent, plan.suite, plan.conditions.until)
    cells = dict(enumerate(plan.chunks))
    finish(journal, cells, play, executor, title="Evaluation")
    outcomes = journal.outcomes
    return results_of(agent, plan, [outcomes[index] for index in cells], journal)


def journal_in(
    folder: Path,
    plan: Plan,
    agent: Agent,
    *,
    further: Mapping[str, Any] = MappingProxyType({}),
) -> Journal:
    """Journal of an agent's evaluation in a folder, new or continued.

    Args:
        folder: Folder of the evaluation.
        plan: Suite, conditions and trials.
        agent: Agent that acts.
        further: Fields that outcomes depend on besides those of ``identity_of``.

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
    identity = identity_of({"agent": agent}, plan) | dict(further)
    sizes = [len(chunk.trials) for chunk in plan.chunks]
    return open_journal(path, identity, sizes, origin=origin)
