"""A policy told its task rightly, in other words, wrongly and not, on the same trials."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from robomtl.actor import Agent
from robomtl.agent import PolicyAgent, named_agent
from robomtl.arguments import checked
from robomtl.conditioning import Conditioning
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.evaluation import finish, journal_in, results_of
from robomtl.evaluation.identity import identity_of
from robomtl.evaluation.results import Results
from robomtl.evaluation.rollout import Until
from robomtl.evaluation.work import PlayChunk
from robomtl.executor import Executor, LocalExecutor
from robomtl.goals import goal_warning
from robomtl.lock import locked
from robomtl.paths import located
from robomtl.probing.concluding import concluded
from robomtl.probing.findings import Findings
from robomtl.probing.planning import Plan, planned
from robomtl.probing.writing import write
from robomtl.serving import ServedAgent
from robomtl.task import Suite, families_of

MARGIN = 0.1
"""Differences of success that lie below it do not count as listening, by default."""


@checked
def probe(
    agent: Agent | Path | str,
    suite: Suite,
    *,
    out: Path | str,
    kinds: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    variations: str = "fresh",
    episodes: int = 50,
    repeats: int = 1,
    until: Until = "success",
    margin: float = MARGIN,
    seed: int = 0,
    workers: int = 2,
    executor: Executor | None = None,
) -> Findings:
    """Success of a policy by what it is told, and whether it listens.

    All kinds of instruction are told on the same trials, so that differences are paired.
    Every finished chunk of trials is kept at once; called again with the same policy,
    suite and conditions, it plays what is left.

    Args:
        agent: A trained policy, or its run directory.
        suite: Supplies the tasks, and says which of them share a scene.
        out: Folder for ``results.json``, ``trials.parquet``, ``report.html`` and the
            journal; made if missing.
        kinds: What is told besides ``right``; see ``KINDS``. By default everything that
            makes sense for the way the policy is told its task; the rest is named in
            ``Findings.left_out``.
        tasks: Names of the tasks; the training tasks by default.
        variations: The split whose variations are used.
        episodes: Variations of each task.
        repeats: Trials of each variation.
        until: ``success`` stops a trial once it is solved; ``horizon`` plays it to its
            end, for the same rates.
        margin: Difference of success, right less shuffled, below which a policy is said
            to ignore what it is told, as a share.
        seed: Decides whose instruction a task gets when they are shuffled.
        workers: Processes on this machine, unless an executor is given.
        executor: Runs the chunks; see ``evaluate``.

    Raises:
        ValueError: If the agent is no trained policy, or is told nothing of its task; if
            it does not fit the suite, or that has one task; if a kind is unknown or
            cannot be told; if the margin is no share; or if ``evaluate`` raises it.
        ImportError: If a wording needs the ``language`` extra and that is missing.
    """
    _check_margin(margin)
    acting = named_agent(agent) if isinstance(agent, Path | str) else agent
    conditioning = _conditioning_of(acting)
    acting.check(suite)
    conditions = Conditions(
        tasks=None if tasks is None else tuple(tasks),
        split=variations,
        episodes=episodes,
        repeats=repeats,
        until=until,
        seed=seed,
    )
    plan = planned(suite, conditions, conditioning, kinds)
    out = located(out)
    with locked(out):
        executor = executor or LocalExecutor(workers=workers)
        results = _played(plan, conditions, acting, suite, out, executor)
        told = {
            kind: [told for chunk in some for told in chunk.told]
            for kind, some in plan.chunks.items()
        }
        found = concluded(
            results,
            told,
            conditioning,
            families_of(suite),
            left_out=plan.left_out,
            margin=margin,
        )
        found = replace(found, warning=goal_warning(conditioning.kinds, suite, tasks))
        write(out, found, told)
    return found


def _played(
    plan: Plan,
    conditions: Conditions,
    agent: Agent,
    suite: Suite,
    folder: Path,
    executor: Executor,
) -> dict[str, Results]:
    """The results under each kind, once everything is played that is not yet."""
    chunks = plan.every
    identity = identity_of({"agent": agent}, suite, conditions, chunks)
    identity |= {"kinds": list(plan.chunks)}
    journal = journal_in(folder, identity, chunks, agent)
    play = PlayChunk(agent, suite, conditions.until)
    finish(journal, chunks, play, executor, title="Probe")
    outcomes = iter(journal.outcomes[place] for place in range(len(chunks)))
    return {
        kind: results_of(
            agent,
            suite,
            plan.conditions[kind],
            [(chunk, next(outcomes)) for chunk in some],
            journal,
        )
        for kind, some in plan.chunks.items()
    }


def _check_margin(margin: float) -> None:
    if not 0 < margin < 1:
        raise InputError(
            f"margin is {margin}; give a share between 0 and 1, such as 0.1 for 10 points."
        )


def _conditioning_of(agent: Agent) -> Conditioning:
    policy = agent.agent if isinstance(agent, ServedAgent) else agent
    if not isinstance(policy, PolicyAgent):
        raise InputError(
            f"'{agent.name}' is no trained policy, and nothing is known of how it is told"
            " its task; name the run directory of a policy."
        )
    conditioning = policy.card.conditioning
    if not conditioning.kinds:
        raise InputError(
            f"{agent.name} was trained without conditioning, so there is nothing to probe."
            " Train it with --conditioning language, one_hot or goal."
        )
    return conditioning
