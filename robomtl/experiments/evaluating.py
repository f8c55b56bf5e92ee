"""The evaluation of an agent on a suite, from trials to files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from robomtl.acting.actor import (
    Agent,
    Conditioned,
    Configured,
    Named,
    Placed,
    check_agent,
)
from robomtl.acting.agent import check_pictures
from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.evaluation import protocols
from robomtl.evaluation.conditions import Conditions, chunks_of
from robomtl.evaluation.evaluation_config import EvaluationConfig
from robomtl.evaluation.identity import identity_of, suite_identity
from robomtl.evaluation.journal import Journal, open_journal
from robomtl.evaluation.loop import play_cells
from robomtl.evaluation.records import Record, records_of
from robomtl.evaluation.results import RESULTS, Results, Setting
from robomtl.evaluation.rollout import Outcome
from robomtl.evaluation.trials import Chunk
from robomtl.evaluation.video import find_videos
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor
from robomtl.experiments.evaluation_report import write_report
from robomtl.experiments.running import REPORT
from robomtl.files.folder_kinds import JOURNAL, check_no_data
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.task import Suite, find_task


@checked
def evaluate(
    agent: Agent,
    suite: Suite,
    *,
    out: Path | str,
    config: EvaluationConfig | None = None,
    compute: Compute | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Results:
    """The results of an agent on a suite, also written to a folder.

    Every finished chunk of trials is kept at once. Called again with the same agent,
    suite and conditions, whatever stopped it before, it plays what is left.

    Args:
        agent: What acts.
        suite: Supplies the tasks.
        out: Folder for ``trials.parquet``, ``results.json``, ``report.html`` and the
            journal; made if missing.
        config: Tasks, variations, instructions and protocol; the defaults if None.
        compute: Processes or cluster, and the limit of time of a step.
        provenance: How the agent came to be, shown in the report.

    Raises:
        ValueError: If the agent does not fit the suite, the conditions cannot be met or
            are not the protocol's, the folder holds another evaluation, another process
            writes into it, or an observation or an action is not finite.
        ImportError: If the agent needs an extra that is missing, such as ``language``
            for wordings of one's own.
    """
    config, compute = config or EvaluationConfig(), compute or Compute()
    conditions = config.conditions(suite)
    if not config.other_pictures:
        check_pictures(agent, suite)
    return evaluate_under(
        conditions,
        agent,
        suite,
        out=located(out),
        executor=compute.playing,
        provenance=provenance or {},
    )


def evaluate_under(
    conditions: Conditions,
    agent: Agent,
    suite: Suite,
    *,
    out: Path,
    executor: Executor,
    provenance: Mapping[str, Any],
) -> Results:
    """The results of an agent under conditions that are settled; see ``evaluate``."""
    check_agent(agent, suite, conditions.tasks)
    chunks = chunks_of(suite, conditions)
    identity = identity_of({"agent": agent}, suite, conditions, chunks)
    check_no_data(out)
    with locked(out):
        journal = journal_in(out, identity, chunks, agent)
        play = PlayChunk(agent, suite, conditions.until)
        finish(journal, chunks, play, executor)
        played = [(chunk, journal.outcomes[at]) for at, chunk in enumerate(chunks)]
        results = results_of(agent, suite, conditions, played, journal)
        results.write(out)
        videos = find_videos(out, results)
        write_report(out / REPORT, results, provenance=provenance, videos=videos)
    return results


def journal_in(
    folder: Path, identity: Mapping[str, Any], chunks: Sequence[Chunk], agent: Agent
) -> Journal:
    """The journal of what an agent plays in a folder, begun or continued.

    Raises:
        InputError: If the folder holds something else, or results without a journal.
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
    """Plays the chunks that are not in the journal, and enters them.

    Args:
        journal: Of all chunks, by their places.
        chunks: The plan.
        play: Plays a chunk.
        executor: Where.
        title: Of the progress line.
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
    """The results of chunks under the conditions that they are of.

    Args:
        agent: What acted.
        suite: In which.
        conditions: Under which.
        played: The chunks and how their trials went.
        journal: Of all that was played with them.
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
    tiers = {chunk.task: find_task(suite, chunk.task).tier for chunk, _ in played}
    return Results(setting=setting, records=records, task_tiers=tiers)


def _horizon(
    suite: Suite, conditions: Conditions, records: Sequence[Record]
) -> int | None:
    """Where the suite says trials end, or else where the longest was seen to end."""
    if "horizon" in suite.options:
        return int(suite.options["horizon"])
    lengths = [record.length for record in records if record.length is not None]
    seen = conditions.until == "horizon" and lengths
    return max(lengths) if seen else None
