"""The probe: success under right, paraphrased, wrong and no instructions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa

from robomtl.acting.actor import Agent, TaskInfo, check_agent
from robomtl.acting.agent import PolicyAgent, named_agent
from robomtl.arguments import checked
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.loop import finish
from robomtl.evaluation.played_results import results_of
from robomtl.evaluation.playing import journal_in
from robomtl.evaluation.records import SCHEMA
from robomtl.evaluation.results import RESULTS, TRIALS, Results
from robomtl.evaluation.work import PlayChunk
from robomtl.execution.compute import Compute
from robomtl.execution.executor import Executor
from robomtl.execution.serving import ServedAgent
from robomtl.experiments.probe.probe_findings import findings_of
from robomtl.experiments.probe.probe_plan import ProbePlan, plan_probe
from robomtl.experiments.probe.probe_rates import InstructionFindings
from robomtl.experiments.probe.probe_report import probe_report
from robomtl.experiments.running import REPORT
from robomtl.files.durable import write_json, write_text
from robomtl.files.folder_kinds import check_no_run
from robomtl.files.lock import locked
from robomtl.files.parquet import write_table
from robomtl.files.paths import located
from robomtl.files.request import plain
from robomtl.goals import goal_warning
from robomtl.pages.rendering import report_page
from robomtl.ranges import check_types, settings
from robomtl.task import Suite, families_of

MARGIN = 0.1
"""Default for the smallest difference of success that counts as use of the instruction."""


@settings
@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Settings of a probe: kinds of instruction, trials and margin."""

    kinds: tuple[str, ...] | None = None
    """Kinds of instruction besides ``right``; see ``KINDS``. By default all kinds that
    apply to the policy; ``InstructionFindings.left_out`` names the others."""
    conditions: Conditions = field(default_factory=lambda: Conditions(until="success"))
    """Trials and their end; the seed determines the shuffling of instructions."""
    margin: float = MARGIN
    """Smallest difference of success, right minus shuffled, that counts as use of the
    instruction, as a fraction."""

    def __post_init__(self) -> None:
        """Checks the margin.

        Raises:
            InputError: If the margin is not between 0 and 1.
        """
        check_types(self)
        if not 0 < self.margin < 1:
            raise InputError(
                f"margin is {self.margin}; give a fraction between 0 and 1, such as 0.1"
                " for 10 points."
            )


COLUMNS = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        *SCHEMA,
        pa.field("instructed", pa.string()),
        pa.field("goal", pa.list_(pa.float64())),
    ]
)
"""Columns of ``trials.parquet``: the kind, the columns of an evaluation, the task whose
instruction was given, and the goal that replaced the env's."""

_NOT_OF_ALL = ("instructions", "protocol")  # Fields of a setting that differ by kind.


@checked
def probe(
    agent: Agent | Path | str,
    suite: Suite,
    *,
    out: Path | str,
    config: ProbeConfig | None = None,
    compute: Compute | None = None,
) -> InstructionFindings:
    """Measures success by kind of instruction and tests whether the instruction is used.

    All kinds of instruction are given on the same trials, so that differences are paired.
    Every finished chunk of trials is saved; a repeated call with the same policy, suite and
    conditions plays the remaining ones.

    Args:
        agent: A trained policy, or its run directory.
        suite: Suite of the tasks, which defines the families that share a scene.
        out: Folder for ``results.json``, ``trials.parquet``, ``report.html`` and the
            journal; made if missing.
        config: Kinds, trials and margin; the defaults if None.
        compute: Processes or cluster, and the limit of time of a step.

    Raises:
        ValueError: If the agent is not a trained policy, or has no conditioning; if it does
            not fit the suite, or the suite has only one task; if a kind is unknown or does
            not apply; or if ``evaluate`` raises it.
        ImportError: If a wording needs the ``language`` extra, which is not installed.
    """
    config, compute = config or ProbeConfig(), compute or Compute()
    acting = named_agent(agent) if isinstance(agent, Path | str) else agent
    conditioning = _conditioning_of(acting)
    check_agent(acting, suite, config.conditions.tasks)
    plan = plan_probe(suite, config.conditions, conditioning, config.kinds)
    out = located(out)
    check_no_run(out)
    with locked(out):
        results = _played(plan, config.conditions, acting, out, compute.playing)
        task_infos = {
            kind: [each for chunk in own.chunks for each in chunk.task_infos]
            for kind, own in plan.plans.items()
        }
        found = findings_of(
            results,
            task_infos,
            conditioning,
            families_of(suite),
            left_out=plan.left_out,
            margin=config.margin,
        )
        found = replace(
            found,
            warning=goal_warning(conditioning.kinds, suite, config.conditions.tasks),
        )
        _write(out, found, task_infos)
    return found


def _played(
    plan: ProbePlan,
    conditions: Conditions,
    agent: Agent,
    folder: Path,
    executor: Executor,
) -> dict[str, Results]:
    """Plays the remaining trials; the results by kind."""
    whole = plan.whole(conditions)
    journal = journal_in(folder, whole, agent, further={"kinds": list(plan.plans)})
    play = PlayChunk(agent, whole.suite, conditions.until)
    cells = dict(enumerate(whole.chunks))
    finish(journal, cells, play, executor, title="Probe")
    done = journal.outcomes
    outcomes = iter([done[index] for index in cells])
    return {
        kind: results_of(agent, own, list(islice(outcomes, len(own.chunks))), journal)
        for kind, own in plan.plans.items()
    }


def _conditioning_of(agent: Agent) -> Conditioning:
    policy = agent.agent if isinstance(agent, ServedAgent) else agent
    if not isinstance(policy, PolicyAgent):
        raise InputError(
            f"'{agent.name}' is not a trained policy, so its conditioning is unknown;"
            " name the run directory of a policy."
        )
    conditioning = policy.card.conditioning
    if not conditioning.kinds:
        raise InputError(
            f"{agent.name} was trained without conditioning, so there is nothing to probe."
            " Train it with --conditioning language, one_hot or goal."
        )
    return conditioning


def _write(
    folder: Path,
    findings: InstructionFindings,
    task_infos: Mapping[str, Sequence[TaskInfo]],
) -> None:
    """Writes ``trials.parquet``, ``results.json`` and ``report.html``, each atomically.

    Args:
        folder: Folder of the files.
        findings: The findings.
        task_infos: Instructions of the records, by kind.
    """
    rows = [
        {"kind": kind, **asdict(record), "instructed": each.task, "goal": each.goal}
        for kind, records in findings.records.items()
        for record, each in zip(records, task_infos[kind], strict=True)
    ]
    write_table(folder / TRIALS, pa.Table.from_pylist(rows, schema=COLUMNS))
    data = plain(findings)
    del data["records"]
    setting = {k: v for k, v in data.pop("setting").items() if k not in _NOT_OF_ALL}
    write_json(folder / RESULTS, {"format": 1, "kind": "probe", **data, **setting})
    write_text(folder / REPORT, report_page(probe_report(findings)))
