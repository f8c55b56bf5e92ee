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
from robomtl.evaluation.planning import Plan
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LIMIT
from robomtl.experiments.evaluating import evaluate_plan
from robomtl.names import file_name
from robomtl.ranges import check_counts, check_types
from robomtl.suites import suite, unshifted
from robomtl.task import find_task


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task to adapt to, and settings of the adaptation and its evaluation."""

    suite: str
    """Suite of the task."""
    task: str
    """Name of the task."""
    shots: int = 5
    """Number of demonstrations of the task."""
    noise: float = 0.0
    """Largest standard deviation of the noise on the expert's actions; see ``collect``."""
    methods: tuple[str, ...] = ("finetune", "scratch")
    """Adaptation methods to compare."""
    batch_size: int = 64
    """Samples per gradient step; a few demonstrations have some hundred samples."""
    trials: int = 20
    """Evaluation trials of each adapted policy."""
    until: Literal["horizon", "success"] = "success"
    """Whether a trial ends at its horizon or at its first success."""

    def __post_init__(self) -> None:
        """Checks the values before training, although they are used after it.

        Raises:
            InputError: If a value is of another type or out of range.
        """
        check_types(self)
        check_counts(self, "shots", "batch_size", "trials")
        _ = self.collection, self.evaluation

    @property
    def collection(self) -> CollectionConfig:
        """Settings by which the demonstrations of the task are collected."""
        return CollectionConfig(
            tasks=(self.task,), episodes=self.shots, noise=self.noise
        )

    @property
    def evaluation(self) -> EvaluationConfig:
        """Settings by which each adapted policy is evaluated."""
        return EvaluationConfig(
            tasks=(self.task,), episodes=self.trials, until=self.until
        )


def plan_new_task(new: NewTask, trained_in: str) -> Plan:
    """Plans the trials of a new task, and checks its methods.

    Args:
        new: Task to adapt to.
        trained_in: Name of the suite that the policy is trained on. A policy of a joint
            suite accepts a task of any suite.

    Raises:
        InputError: If a name is unknown, the task belongs to another simulator, or it has
            fewer variations than trials are requested.
    """
    known, own = (unshifted(name).partition("/")[0] for name in (trained_in, new.suite))
    if known not in ("joint", own):
        raise InputError(
            f"The policy is trained on {trained_in}, and the new task '{new.task}' belongs"
            f" to {new.suite}; name a task of {known} (--new-task.suite, --new-task.task)."
        )
    made = suite(new.suite)
    find_task(made, new.task)
    for method in new.methods:
        METHODS.get(method)
    return new.evaluation.plan(made)


def adapt_to_new_task(
    run: Path, new: NewTask, plan: Plan, *, out: Path, seed: int, compute: Compute
) -> dict[str, Results]:
    """Adapts a policy to a new task by each method and evaluates the adapted policies.

    Work that is finished in the folder is not repeated.

    Args:
        run: Run directory of the policy.
        new: Task to adapt to.
        plan: Trials of the task; see ``plan_new_task``.
        out: Folder for ``demonstrations/``, and a run directory for each method with its
            results.
        seed: Seed of the adaptation.
        compute: Processes or cluster that collect and evaluate; device and precision of
            the methods.

    Returns:
        Results by method.

    Raises:
        InputError: If the task or a method is unknown or does not fit the policy, or the
            folder contains another adaptation.
    """
    demonstrations = collect(
        plan.suite,
        out / "demonstrations",
        config=new.collection,
        compute=compute.local,
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
    """The adapted policy; adaptation is skipped if the folder already contains it."""
    adapt(run, demonstrations, method=method, budget=budget, seed=seed, out=out)
    return PolicyAgent(out)
