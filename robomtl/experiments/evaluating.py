"""The evaluation of an agent on a suite, from trials to files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robomtl.acting.actor import Agent, check_agent
from robomtl.acting.agent import check_pictures
from robomtl.arguments import checked
from robomtl.evaluation.conditions import Plan, planned
from robomtl.evaluation.evaluation_config import EvaluationConfig
from robomtl.evaluation.playing import play_plan
from robomtl.evaluation.results import Results
from robomtl.evaluation.video import find_videos
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor
from robomtl.experiments.evaluation_report import write_report
from robomtl.experiments.running import REPORT
from robomtl.files.folder_kinds import check_no_data
from robomtl.files.lock import locked
from robomtl.files.paths import located
from robomtl.task import Suite


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
    folder, executor = located(out), compute.playing
    plan = planned(suite, conditions)
    return evaluate_plan(
        plan, agent, out=folder, executor=executor, provenance=provenance or {}
    )


def evaluate_plan(
    plan: Plan,
    agent: Agent,
    *,
    out: Path,
    executor: Executor,
    provenance: Mapping[str, Any],
) -> Results:
    """The results of an agent in the trials of a plan; see ``evaluate``."""
    check_agent(agent, plan.suite, plan.conditions.tasks)
    check_no_data(out)
    with locked(out):
        results = play_plan(plan, agent, out, executor)
        results.write(out)
        videos = find_videos(out, results)
        write_report(out / REPORT, results, provenance=provenance, videos=videos)
    return results
