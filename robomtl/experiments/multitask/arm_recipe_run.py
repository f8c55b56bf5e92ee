"""A comparison of arms as a recipe, and the act that runs it."""

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
class Before:
    """A policy that is trained first, from which some arms continue."""

    suite: str
    """Suite of its tasks; those of the recipe's suite are left out."""
    episodes: int
    """Demonstrations of each task."""
    arms: tuple[str, ...]
    """Labels of the arms that continue from it."""
    training: TrainConfig = field(default_factory=TrainConfig)
    """Settings of its training."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its architecture's config that differ from the defaults."""


@dataclass(frozen=True, kw_only=True)
class ArmRecipe:
    """One comparison of arms, enough to repeat it."""

    line: str
    """What the recipe shows, in a line."""
    suite: str
    """Suite of the demonstrations and of the trials."""
    noise: float = 0.0
    """Largest noise on the experts' actions; see ``collect``."""
    request: MultitaskRequest
    """Arms, demonstrations, seeds and trials."""
    before: Before | None = None
    """A policy that is trained first; None for none."""


def run_arms(
    recipe: ArmRecipe,
    *,
    out: Path,
    data: Path | str | None = None,
    seed: int = 0,
    compute: Compute | None = None,
) -> MultitaskFindings:
    """Runs a comparison end to end; what is finished in the folder is not done again.

    Args:
        recipe: What is compared.
        out: Receives ``before/`` where a policy is trained first, and all that
            ``multitask`` writes.
        data: Demonstrations of the compared tasks recorded before; collected when None.
        seed: Stays 0: the seeds of training count from there.
        compute: Processes or cluster, device and precision.

    Raises:
        InputError: If another seed is given, a folder holds something else, or the chunks
            of the first policy are too short for the actions to be executed.
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
    """Refuses a seed where the seeds of training count from 0.

    Raises:
        InputError: If another is given.
    """
    if seed:
        raise InputError(
            f"--seed {seed} would do nothing: seeds of training count from 0; give their"
            " number by --seeds."
        )


def _trained_before(
    recipe: ArmRecipe, before: Before, out: Path, compute: Compute
) -> Path:
    """The run directory of the policy that is trained first."""
    made = suite(before.suite)
    later = {task.name for task in suite(recipe.suite).train_tasks}
    tasks = [task.name for task in made.train_tasks if task.name not in later]
    demonstrations = collect(
        made,
        out / "demonstrations",
        config=CollectionConfig(
            tasks=tasks, episodes=before.episodes, noise=recipe.noise
        ),
        compute=compute.here,
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
