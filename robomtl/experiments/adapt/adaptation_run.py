"""A complete comparison of methods: demonstrations, training and adaptation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl.checkpoint import configure, configure_objective
from robomtl.conditioning import Kind
from robomtl.demonstrations import CollectionConfig
from robomtl.demonstrations.collect_missing import obtain
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.machine import Machine
from robomtl.experiments.adapt.method_design import AdaptRequest, configured, objectives
from robomtl.experiments.adapt.method_experiment import compare_methods
from robomtl.experiments.adapt.method_findings import AdaptationFindings
from robomtl.experiments.adapt.pretraining import Training, train_all
from robomtl.experiments.adapt.support_pool import Supports, check_playable
from robomtl.names import file_name
from robomtl.suites import suite
from robomtl.task import Suite
from robomtl.training import TrainConfig
from robomtl.training.before_collecting import check_observable
from robomtl.training.config import with_machine


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """Settings with which the policy of one objective is trained."""

    training: TrainConfig = field(default_factory=TrainConfig)
    """Settings of the training run."""
    policy: str = "film"
    """Registered name of the architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the policy's config that differ from the defaults."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective that differ from the defaults."""
    conditioning: tuple[Kind, ...] | None = None
    """Conditioning of the policy; that of the comparison if None."""


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """Settings of a comparison of methods with plain values."""

    suite: str
    """Suite that holds out tasks or goals."""
    episodes: int
    """Demonstrations of each training task."""
    noise: float = 0.0
    """Largest noise on the experts' actions; see ``collect``."""
    conditioning: tuple[Kind, ...] = ("language",)
    """Conditioning of the policies, besides what their objectives infer."""
    seeds: int = 1
    """Number of seeds of training; a ranking needs 5, and 5 draws (--supports)."""


@dataclass(frozen=True, kw_only=True)
class AdaptationRecipe(ComparisonSettings):
    """A complete comparison of methods."""

    line: str
    """Description of the recipe, in one line."""
    options: Mapping[str, Any]
    """Options of the suite."""
    request: AdaptRequest
    """Methods, shots, draws and trials."""
    pretraining: Mapping[str, Pretraining]
    """Training of the policies, by objective."""


def run_adaptation(
    recipe: AdaptationRecipe,
    *,
    out: Path,
    data: Path | str | None = None,
    seed: int = 0,
    compute: Compute | None = None,
) -> AdaptationFindings:
    """Runs a comparison end to end; finished steps in the folder are not repeated.

    Args:
        recipe: The comparison.
        out: Folder for ``demonstrations/``, a run directory ``OBJECTIVE/seed-NUMBER`` for
            each policy, and the comparison in ``adaptation/``.
        data: Demonstrations of the training tasks; collected if None.
        seed: First seed of training.
        compute: Processes that collect, train, adapt and evaluate, or a cluster; device
            and precision where the recipe does not define them.

    Raises:
        InputError: If a folder belongs to something else, the recipe trains no policy of
            an objective that a method needs, a policy cannot read what the suite observes,
            or a policy predicts fewer actions than are to be executed.
    """
    compute = compute or Compute()
    made, needed = suite(recipe.suite, **recipe.options), _needed(recipe)
    request = replace(recipe.request, seeds=recipe.seeds)
    check_playable(made, request, Supports())  # Before the collection and training.
    for each in needed.values():
        each.training.check_chunk(configure(each.policy, each.policy_config))
    if data is None:
        _check_observable(recipe, made, needed)
    prior = obtain(
        made,
        out,
        data=data,
        config=CollectionConfig(  # The same for every seed of training.
            episodes=recipe.episodes, noise=recipe.noise
        ),
        compute=compute.local,
    )
    trainings = [
        _training(
            recipe, objective, each, out=out, seed=number, machine=compute.machine
        )
        for number in range(seed, seed + recipe.seeds)
        for objective, each in needed.items()
    ]
    train_all(prior, trainings, episodes=recipe.episodes, compute=compute)
    return compare_methods(
        out,
        made,
        request,
        out=out / "adaptation",
        supports=Supports(prior=prior.path),
        compute=compute,
    )


def _check_observable(
    recipe: AdaptationRecipe, made: Suite, needed: Mapping[str, Pretraining]
) -> None:
    """Refuses a policy that cannot read the demonstrations to be collected."""
    for objective, each in needed.items():
        minimised = configure_objective(objective, each.objective_config)
        check_observable(
            made,
            policy=each.policy,
            conditioning=each.conditioning or recipe.conditioning,
            config=each.training,
            demonstration=minimised.demonstration,
        )


def _training(
    recipe: AdaptationRecipe,
    objective: str,
    each: Pretraining,
    *,
    out: Path,
    seed: int,
    machine: Machine,
) -> Training:
    """The training of the policy of one objective and seed."""
    own = each.conditioning
    return Training(
        out=out / file_name(objective) / f"seed-{seed}",
        objective=objective,
        objective_config=each.objective_config,
        policy=each.policy,
        policy_config=each.policy_config,
        conditioning=recipe.conditioning if own is None else own,
        config=with_machine(replace(each.training, seed=seed), machine),
    )


def _needed(recipe: AdaptationRecipe) -> dict[str, Pretraining]:
    """The trainings of the policies that the methods use, by objective."""
    wanted = objectives(recipe.request, configured(recipe.request))
    for label, objective in wanted.items():
        if objective not in recipe.pretraining:
            raise InputError(
                f"The method {label} requires policies trained with {objective}, but this"
                f" recipe trains {', '.join(recipe.pretraining)}; leave {label} out, or"
                " add this pretraining to the recipe."
            )
    return {k: v for k, v in recipe.pretraining.items() if k in wanted.values()}
