"""A recipe for a comparison of arms, and the function that runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl.checkpoint import configure
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.multitask.arm_design import MultitaskRequest
from robomtl.experiments.multitask.arm_experiment import check_playable, multitask
from robomtl.experiments.multitask.arm_findings import MultitaskFindings
from robomtl.suites import suite
from robomtl.training import TrainConfig, train
from robomtl.training.config import with_machine


@dataclass(frozen=True, kw_only=True)
class InitialPolicy:
    """A policy that is trained first, and from which some arms continue."""

    suite: str
    """Suite of its tasks, except those that the recipe's suite has too."""
    episodes: int
    """Demonstrations of each task."""
    arms: tuple[str, ...]
    """Labels of the arms that continue from the policy."""
    training: TrainConfig = field(default_factory=TrainConfig)
    """Settings of its training."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its architecture's config that differ from the defaults."""


@dataclass(frozen=True, kw_only=True)
class ArmRecipe:
    """All settings of a comparison of arms, so that it can be repeated."""

    line: str
    """Description in one line."""
    suite: str
    """Suite of the demonstrations and of the trials."""
    noise: float = 0.0
    """Largest noise on the experts' actions; see ``collect``."""
    request: MultitaskRequest
    """Arms, demonstrations, seeds and trials."""
    before: InitialPolicy | None = None
    """Policy that is trained first; None for none."""


def run_arms(
    recipe: ArmRecipe,
    *,
    out: Path,
    data: Path | str | None = None,
    seed: int = 0,
    compute: Compute | None = None,
) -> MultitaskFindings:
    """Runs a comparison end to end, or resumes it in its folder.

    Args:
        recipe: Recipe to run.
        out: Folder for all that ``multitask`` writes, and for ``before/`` where a policy
            is trained first.
        data: Recorded demonstrations of the compared tasks; collected if None.
        seed: Must be 0, from which the seeds of training count.
        compute: Processes or cluster, device and precision.

    Raises:
        InputError: If another seed is given, a folder has other contents, or the chunks
            of the first policy are shorter than the actions to execute.
    """
    check_counted(seed)
    compute, request = compute or Compute(), recipe.request
    made = suite(recipe.suite)
    if (before := recipe.before) is not None:
        check_playable(made, request)  # Before anything is trained.
        before.training.check_chunk(configure(request.policy, before.policy_config))
        start = _trained_before(recipe, before, out / "before", compute)
        own = {label: {"start": str(start)} for label in before.arms}
        settings = {k: {**v, **request.settings.get(k, {})} for k, v in own.items()}
        request = replace(request, settings={**request.settings, **settings})
    return multitask(
        made,
        request,
        out=out,
        data=data,
        noise=recipe.noise,
        compute=compute,
    )


def check_counted(seed: int) -> None:
    """Refuses a seed other than 0, from which the seeds of training count.

    Raises:
        InputError: If the seed is not 0.
    """
    if seed:
        raise InputError(
            f"--seed {seed} has no effect: seeds of training count from 0; give their"
            " number by --seeds."
        )


def _trained_before(
    recipe: ArmRecipe, before: InitialPolicy, out: Path, compute: Compute
) -> Path:
    """Collects demonstrations, trains the first policy, and returns its run directory."""
    made = suite(before.suite)
    later = {task.name for task in suite(recipe.suite).train_tasks}
    tasks = [task.name for task in made.train_tasks if task.name not in later]
    demonstrations = collect(
        made,
        out / "demonstrations",
        config=CollectionConfig(
            tasks=tasks, episodes=before.episodes, noise=recipe.noise
        ),
        compute=compute.local,
    )
    train(
        demonstrations,
        out=out,
        policy=recipe.request.policy,
        policy_config=before.policy_config,
        conditioning=recipe.request.conditioning,
        config=with_machine(before.training, compute.machine),
    )
    return out
