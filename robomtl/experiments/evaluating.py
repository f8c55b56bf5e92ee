"""Evaluation of an agent on a suite: plays trials and writes results and report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robomtl.acting.actor import Agent, check_agent
from robomtl.acting.agent import check_pictures
from robomtl.arguments import checked
from robomtl.evaluation.evaluation_config import EvaluationConfig
from robomtl.evaluation.planning import Plan
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
    """Evaluates an agent on a suite, and writes the results to a folder.

    Every finished chunk of trials is saved immediately: called again with the same agent,
    suite and conditions after an interruption, it plays the remaining trials.

    Args:
        agent: Agent to evaluate.
        suite: Supplies the tasks.
        out: Folder for ``trials.parquet``, ``results.json``, ``report.html`` and the
            journal; made if missing.
        config: Tasks, variations, instructions and protocol; the defaults if None.
        compute: Processes or cluster, and the time limit of a step.
        provenance: Origin of the agent, such as its settings, for the report.

    Raises:
        ValueError: If the agent does not fit the suite, the conditions cannot be met or
            are not the protocol's, the folder contains another evaluation, another
            process writes into it, or an observation or an action is not finite.
        ImportError: If the agent needs an extra that is not installed, such as
            ``language`` for custom wordings.
    """
    config, compute = config or EvaluationConfig(), compute or Compute()
    plan = config.plan(suite)
    if not config.other_pictures:
        check_pictures(agent, suite)
    folder, executor = located(out), compute.playing
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
    """Evaluates an agent in the trials of a plan; see ``evaluate``."""
    check_agent(agent, plan.suite, plan.conditions.tasks)
    check_no_data(out)
    with locked(out):
        results = play_plan(plan, agent, out, executor)
        results.write(out)
        videos = find_videos(out, results)
        write_report(out / REPORT, results, provenance=provenance, videos=videos)
    return results
