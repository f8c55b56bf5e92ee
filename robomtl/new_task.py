"""Adapts a trained policy to an unseen task from a few demonstrations, and evaluates it."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from robomtl.acting.agent import PolicyAgent, check_pictures
from robomtl.adaptation import Budget, adapt
from robomtl.adaptation.method import METHODS
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import InputError
from robomtl.evaluation import EvaluationConfig, Results
from robomtl.evaluation.conditions import Plan, planned
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LIMIT
from robomtl.experiments.evaluating import evaluate_plan
from robomtl.names import file_name
from robomtl.ranges import check_counts, check_types
from robomtl.suites import suite, unshifted
from robomtl.task import find_task


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task to adapt to, and how that is judged."""

    suite: str
    """Suite that has the task."""
    task: str
    """Name of the task."""
    shots: int = 5
    """Demonstrations of it."""
    noise: float = 0.0
    """Largest disturbance of the expert; see ``collect``."""
    methods: tuple[str, ...] = ("finetune", "scratch")
    """Ways to adapt that are compared."""
    batch_size: int = 64
    """Samples of a gradient step; a few demonstrations have some hundred."""
    trials: int = 20
    """Trials of each."""
    until: Literal["horizon", "success"] = "success"
    """Where a trial stops."""

    def __post_init__(self) -> None:
        """Checks the values, which are used only once a policy is trained.

        Raises:
            InputError: If a value is of another type or out of range.
        """
        check_types(self)
        check_counts(self, "shots", "batch_size", "trials")
        _ = self.collection, self.evaluation

    @property
    def collection(self) -> CollectionConfig:
        """The demonstrations that are adapted to."""
        return CollectionConfig(
            tasks=(self.task,), episodes=self.shots, noise=self.noise
        )

    @property
    def evaluation(self) -> EvaluationConfig:
        """The trials of each method."""
        return EvaluationConfig(
            tasks=(self.task,), episodes=self.trials, until=self.until
        )


def plan_new_task(new: NewTask, trained_in: str) -> Plan:
    """The trials of a new task that fits, and to which every method can adapt.

    Args:
        new: The task.
        trained_in: Name of the suite that the policy is trained in; a joint suite, whose
            policies know several robots, takes a task of any.

    Raises:
        InputError: If a name is unknown, the task is of another simulator, or it has fewer
            trials than requested.
    """
    here, there = (
        unshifted(name).partition("/")[0] for name in (trained_in, new.suite)
    )
    if here not in ("joint", there):
        raise InputError(
            f"The policy is trained in {trained_in}, and the new task, '{new.task}', is of"
            f" {new.suite}; name a task of {here} (--new-task.suite, --new-task.task)."
        )
    made = suite(new.suite)
    find_task(made, new.task)
    for method in new.methods:
        METHODS.get(method)
    return planned(made, new.evaluation.conditions(made))


def adapt_to_new_task(
    run: Path, new: NewTask, plan: Plan, *, out: Path, seed: int, compute: Compute
) -> dict[str, Results]:
    """Adapts a policy to a new task by each method and evaluates the adapted policies.

    What is finished in the folder is not done again.

    Args:
        run: Run directory of the policy.
        new: The task.
        plan: Its trials; see ``plan_new_task``.
        out: Receives ``demonstrations/``, and a run directory for each method with its
            results.
        seed: Of the adaptation.
        compute: Processes that collect and evaluate, or a cluster; device and precision
            of the methods.

    Returns:
        Results by method.

    Raises:
        ValueError: If the task or a method is unknown, or does not fit the policy, or the
            folder holds another adaptation.
    """
    demonstrations = collect(
        plan.suite,
        out / "demonstrations",
        config=new.collection,
        compute=compute.here,
    )
    budget = Budget(batch_size=new.batch_size, machine=compute.machine)
    adapting = partial(_adapted, run, demonstrations, budget, seed)
    found = {}
    for method in new.methods:
        folder = out / file_name(method)
        agent = adapting(method, folder)
        check_pictures(agent, plan.suite)
        executor = compute.within(LIMIT).playing
        found[method] = evaluate_plan(
            plan, agent, out=folder, executor=executor, provenance={}
        )
    return found


def _adapted(
    run: Path,
    demonstrations: Demonstrations,
    budget: Budget,
    seed: int,
    method: str,
    out: Path,
) -> PolicyAgent:
    """The adapted policy, made once."""
    adapt(run, demonstrations, method=method, budget=budget, seed=seed, out=out)
    return PolicyAgent(out)
