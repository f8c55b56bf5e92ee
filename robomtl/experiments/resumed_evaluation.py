"""Resumes an interrupted evaluation from the journal in its folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from robomtl.acting.actor import Agent
from robomtl.acting.agent import PolicyAgent, named_agent
from robomtl.arguments import checked
from robomtl.errors import InputError
from robomtl.evaluation.conditions import Conditions
from robomtl.evaluation.journal import read_head
from robomtl.evaluation.planning import planned
from robomtl.evaluation.results import Results
from robomtl.execution.compute import Compute
from robomtl.execution.machine import device_of
from robomtl.execution.serving import placed
from robomtl.experiments.evaluating import evaluate_plan
from robomtl.files.folder_kinds import JOURNAL
from robomtl.files.paths import located
from robomtl.files.untrusted import converted
from robomtl.suites import suite as named_suite
from robomtl.task import Suite


@dataclass(frozen=True, kw_only=True)
class _Plan(Conditions):
    """Plan of an evaluation in its journal; see ``identity_of``."""

    agent: str
    suite: str
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Origin:
    """Origin in a journal, from which the agent is loaded again; see ``journal_in``."""

    agent: str | None = None
    acting: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    folder: str = "another folder"


@checked
def resume_evaluation(
    folder: Path | str,
    *,
    run: Path | str | None = None,
    device: str | None = None,
    compute: Compute | None = None,
) -> Results:
    """Finishes the evaluation that was begun in a folder, and returns its results.

    Agent, suite and conditions are those in the folder's journal. No trial of a finished
    evaluation is played again.

    Args:
        folder: Folder of the evaluation.
        run: Run directory of its policy, if that has moved.
        device: Device of the policy, if its name has changed; see ``serve``.
        compute: Processes or cluster, see ``evaluate``.

    Raises:
        ValueError: If no evaluation was begun in the folder, its policy has moved or
            changed, its agent or suite can be made in Python only, or ``evaluate``
            raises it.
    """
    folder = located(folder)
    plan, origin = _begun(folder)
    agent = _agent(folder, run, origin, plan.agent)
    _check_wordings(folder, plan.instructions, origin)
    suite, device = _suite(folder, plan), device or origin.device
    with placed(agent, device) as acting:
        _check_device(folder, acting, plan.agent)
        return evaluate_plan(
            planned(suite, Conditions.recorded(asdict(plan))),
            acting,
            out=folder,
            executor=(compute or Compute()).playing,
            provenance=agent.settings if isinstance(agent, PolicyAgent) else {},
        )


def serving_device(
    agent: Agent, requested: str | None, folder: Path | None
) -> str | None:
    """Torch's name of the device that serves a policy; None for the workers' own cores.

    Args:
        agent: Agent to evaluate.
        requested: Name of the device; ``auto`` for the device on which the folder's
            evaluation was begun, or else for cuda where it is available.
        folder: Folder of the results; None for a new one.
    """
    if requested != "auto":
        return requested
    if not isinstance(agent, PolicyAgent):
        return None
    head = None if folder is None else read_head(folder / JOURNAL)
    begun = {} if head is None else (head.origin or {})
    if begun.get("device"):
        return str(begun["device"])
    on_cores = head is not None and " on " not in str(head.plan.get("agent"))
    device = device_of("auto")
    return None if on_cores or device.type == "cpu" else str(device)


def _begun(folder: Path) -> tuple[_Plan, _Origin]:
    """The plan and the origin in a folder's journal."""
    head = read_head(folder / JOURNAL)
    if head is None:
        raise InputError(
            f"{folder} has no {JOURNAL} with a plan: no evaluation was begun there. Name the"
            " folder that `robomtl evaluate` printed as its run directory."
        )
    if "agent" not in head.plan:
        raise InputError(
            f"{folder} contains a comparison of two policies, not an evaluation; `robomtl"
            f" compare --sequential` with --out {folder} resumes it."
        )
    if "kinds" in head.plan:
        raise InputError(
            f"{folder} contains a probe of a policy, not an evaluation; `robomtl probe RUN`"
            f" with --out {folder} resumes it."
        )
    where = str(folder / JOURNAL)
    return (
        converted(head.plan, _Plan, where=f"{where}, its plan"),
        converted(head.origin or {}, _Origin, where=f"{where}, its origin"),
    )


def _agent(
    folder: Path, run: Path | str | None, origin: _Origin, fingerprint: str
) -> Agent:
    """The agent of a plan, loaded from its earlier or its present path."""
    argument = run or origin.agent
    if argument is None:
        raise InputError(
            f"{folder} was begun with an agent that only Python can make; call"
            f" robomtl.evaluate with that agent and out='{folder}'."
        )
    try:
        agent = named_agent(argument, origin.acting)
    except InputError as error:
        raise InputError(
            f"The policy that {folder} evaluates cannot be loaded: {error} If its run"
            f" directory moved: robomtl evaluate RUN --resume {folder}"
        ) from error
    planned, _, _ = fingerprint.partition(" on ")
    if isinstance(agent, PolicyAgent) and agent.fingerprint != planned:
        raise InputError(
            f"The policy in {argument} is not the one that {folder} evaluates: its hash"
            f" is {agent.fingerprint[:12]}, and was {planned[:12]}. Put the old one"
            " back, or evaluate this one into another folder."
        )
    return agent


def _check_device(folder: Path, agent: Agent, fingerprint: str) -> None:
    """Refuses to resume on another kind of device, which may round actions otherwise."""
    begun, present = (
        each.partition(" on ")[2] or "the workers' processors"
        for each in (fingerprint, agent.fingerprint)
    )
    if begun != present:
        raise InputError(
            f"{folder} was begun with its policy on {begun}; on {present} results may"
            " differ. Evaluate into another folder."
        )


def _suite(folder: Path, plan: _Plan) -> Suite:
    try:
        return named_suite(plan.suite, **plan.options)
    except (ValueError, TypeError) as error:  # Factories of plug-ins raise these.
        raise InputError(
            f"The suite that {folder} was begun with cannot be made from its name:"
            f" {error} If it was made in Python, call robomtl.evaluate with it and"
            f" out='{folder}'."
        ) from error


def _check_wordings(folder: Path, instructions: str, origin: _Origin) -> None:
    if instructions.endswith(".json") and not located(instructions).exists():
        raise InputError(
            f"{folder} was begun in {origin.folder} with the"
            f" wordings in {instructions}, which is not found from here; resume there."
        )
