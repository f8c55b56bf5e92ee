"""Agent of a trained policy, which worker processes load from its run directory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.acting.actor import Agent
from robomtl.acting.actor_settings import ActorSettings
from robomtl.acting.policy_actor import PolicyActor, Predictor
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.errors import InputError
from robomtl.evaluation.experts import EXPERT, ExpertAgent
from robomtl.features import STATE, embodiments_of, robot_of
from robomtl.files.paths import located
from robomtl.files.run_record import read_record
from robomtl.joint import known_as
from robomtl.plug_in import make_expert
from robomtl.ranges import check_types, settings
from robomtl.task import Suite, Task, goal_place, own_goal_places
from robomtl.training.objective import trains_actions


@settings
@dataclass(frozen=True)
class PolicyAgent:
    """Agent of a trained policy; workers load it from its run directory."""

    run: Path | str
    """Run directory in which training has finished."""
    acting: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    """Fields of ``ActorSettings``; if any is given, the checkpoint's are all ignored."""
    fingerprint: str = field(init=False)
    """SHA-256 of the weights and the card, followed by the fields of ``acting``."""
    card: Card = field(init=False, repr=False, compare=False)
    """Card of the policy, with the actor settings in effect."""

    def __post_init__(self) -> None:
        """Loads the policy once to check it.

        Raises:
            ValueError: If the folder has no policy, a broken one, or one that was only
                pre-trained, or its chunks are too short for the actor settings.
        """
        check_types(self)
        trained = checkpoint.load(self.run)
        _check_head(Path(self.run), trained.card)
        acting = ActorSettings(**self.acting) if self.acting else trained.card.acting
        acting.check(trained.policy.chunk)
        # Workers may have another working directory.
        object.__setattr__(self, "run", located(self.run))
        object.__setattr__(self, "fingerprint", self._fingerprint(trained))
        object.__setattr__(self, "card", replace(trained.card, acting=acting))

    def _fingerprint(self, trained: TrainedPolicy) -> str:
        given = sorted(self.acting.items())
        changed = [f"{name}={value}" for name, value in given if value is not None]
        return " ".join([trained.fingerprint, *changed])

    @property
    def name(self) -> str:
        """Name of the run directory."""
        return Path(self.run).resolve().name

    @property
    def argument(self) -> str | None:
        """Full path of the run directory; None for a subclass."""
        return str(Path(self.run).resolve()) if type(self) is PolicyAgent else None

    @property
    def conditioning_kinds(self) -> tuple[str, ...]:
        """Kinds of conditioning of the policy."""
        return tuple(self.card.conditioning.kinds)

    @property
    def actor_settings(self) -> Mapping[str, Any]:
        """Actor settings that differ from the defaults, including the history."""
        history = self.card.spec.history
        return {
            **self.card.acting.given,
            **({"history": history} if history > 1 else {}),
        }

    @property
    def settings(self) -> dict[str, Any]:
        """Training record of the run, for reports; empty if the folder has none."""
        record = read_record(Path(self.run))
        return {} if record is None else dict(vars(record))

    def check(self, suite: Suite) -> None:
        """Refuses a suite whose observation, action, goal or tasks do not fit the policy.

        Raises:
            InputError: If one does not fit; names it.
        """
        all_tasks = (*suite.train_tasks, *suite.held_out_tasks)
        self.check_tasks(suite, [task.name for task in all_tasks])

    def check_tasks(self, suite: Suite, tasks: Sequence[str]) -> None:
        """Refuses tasks whose observation, action, goal or name do not fit the policy.

        Raises:
            InputError: If one does not fit; names it.
        """
        card, all_tasks = self.card, (*suite.train_tasks, *suite.held_out_tasks)
        chosen = [task for task in all_tasks if task.name in tasks]
        for embodiment in embodiments_of(suite, [t.name for t in chosen]).values():
            try:
                card.spec.serving(embodiment)
            except InputError as error:
                raise InputError(
                    f"{self.name} does not fit {suite.name}: {error}"
                ) from error
        if "goal" in card.conditioning.kinds:
            self._check_goal(suite, chosen)
        if card.spec.goals:
            _check_experts(self.name, suite, chosen)
        known = card.conditioning.tasks
        unseen = [
            task.name
            for task in chosen
            if known_as(card.suite, known, suite=suite, task=task.name) not in known
        ]
        if "one_hot" in card.conditioning.kinds and unseen:
            raise InputError(
                f"{self.name} is conditioned on a one-hot code, which does not include "
                f"'{unseen[0]}'; it knows {', '.join(known)}."
            )

    def _check_goal(self, suite: Suite, tasks: Sequence[Task]) -> None:
        card, conditioning, spec = self.card, self.card.conditioning, self.card.spec
        # Policies of versions without goals per task are conditioned on the suite's goal.
        for task in [each.name for each in tasks] if conditioning.goals else [""]:
            known = known_as(card.suite, conditioning.tasks, suite=suite, task=task)
            trained = conditioning.goal_of(known) if task else conditioning.goal
            robot = spec.robot(robot_of(suite, task)) if task else 0
            state = spec.embodiments[robot].states[STATE]
            goal = goal_of(suite, state, task)
            if trained != goal:
                raise InputError(
                    f"{self.name} is conditioned on the goal{' of ' * bool(task)}{task} at"
                    f" {trained} of the state; {suite.name} has it at {goal}."
                )

    def load(self, suite: Suite) -> PolicyActor:
        """Actor of the policy, ready to start trials."""
        return PolicyActor(self.card, Predictor(self.trained().policy), suite)

    def trained(self) -> TrainedPolicy:
        """The policy, loaded again.

        Raises:
            InputError: If the run directory has changed since.
        """
        trained = checkpoint.load(self.run)
        if self._fingerprint(trained) != self.fingerprint:
            raise InputError(f"{self.run} changed while it was evaluated.")
        return trained


def _check_head(run: Path, card: Card) -> None:
    """Refuses a policy whose objective left its action head untrained."""
    if not trains_actions(card.objective):
        raise InputError(
            f"{run} was pre-trained by {card.objective}, which does not train its action"
            f" head. Train it first: robomtl train --start {run} --data DATA --out RUN."
        )


def _check_experts(name: str, suite: Suite, tasks: Sequence[Task]) -> None:
    for task in tasks:
        try:
            make_expert(suite, task.name)
        except ValueError as error:
            raise InputError(
                f"{name} is conditioned on images of the goal, which the experts of"
                f" {suite.name} reach, and '{task.name}' has none: {error}"
            ) from error


def named_agent(argument: Path | str, acting: Mapping[str, Any] | None = None) -> Agent:
    """Agent of a run directory's policy, or of the suite's experts for ``expert``.

    Args:
        argument: Run directory, or ``expert``.
        acting: Actor settings that replace the policy's; see ``PolicyAgent``.

    Raises:
        ValueError: If the folder has no policy or a broken one, or the actor settings do
            not fit.
    """
    if str(argument) != EXPERT:
        _check_spelling(str(argument))
        return PolicyAgent(Path(argument), acting=acting or {})
    if acting:
        raise InputError(
            f"Experts predict no chunks of actions; leave {' and '.join(acting)} out."
        )
    return ExpertAgent()


def _check_spelling(argument: str) -> None:
    near = get_close_matches(argument, [EXPERT], cutoff=0.7)
    if near and not located(argument).exists():
        raise InputError(
            f"{argument} does not exist; did you mean '{EXPERT}', the suite's own experts?"
            " Or name a run directory in which training has finished."
        )


def check_pictures(agent: Agent, suite: Suite) -> None:
    """Refuses a suite that renders images with another profile than in a policy's training.

    Args:
        agent: Agent that acts; only policies that read images are checked.
        suite: Suite in which it acts.

    Raises:
        InputError: If the profiles differ.
    """
    policy = getattr(agent, "agent", agent)  # A served agent holds its own.
    card = policy.card if isinstance(policy, PolicyAgent) else None
    if card is None or not card.spec.images:
        return
    trained, drawn = (
        each.get("profile") for each in (card.suite_options, suite.options)
    )
    if trained and drawn and trained != drawn:
        raise InputError(
            f"{policy.name} was trained on pictures of the profile {trained}, and"
            f" {suite.name} draws {drawn} ones; leave the profile out, or evaluate on"
            " such pictures all the same by --other-pictures (other_pictures=True)."
        )


def goal_of(suite: Suite, state: int, task: str = "") -> tuple[int, int] | None:
    """Start and stop index of the goal in a state of this length; None if hidden.

    Args:
        suite: Suite that defines the slice of the goal.
        state: Length of a state.
        task: Name of the task; if empty, ``suite.goal`` is used.
    """
    part = goal_place(suite, task)
    if part is None:
        return None
    start, stop, _ = part.indices(state)
    return start, stop


def goals_of(suite: Suite, state: int) -> dict[str, tuple[int, int]]:
    """Start and stop index of the goal in the state, for each task that has its own."""
    goals = {name: goal_of(suite, state, name) for name in own_goal_places(suite)}
    return {name: goal for name, goal in goals.items() if goal is not None}
