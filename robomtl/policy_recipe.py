"""Runs a recipe of one policy: plans, collects, trains, evaluates and films."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl import checkpoint
from robomtl.acting.agent import PolicyAgent, check_pictures
from robomtl.conditioning.conditioning import check_kinds
from robomtl.demonstrations import CollectionConfig
from robomtl.demonstrations.collect_missing import obtain
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError, MissingExtraError
from robomtl.evaluation import EvaluationConfig, Results, film
from robomtl.evaluation.planning import Plan
from robomtl.evaluation.video import VideoSelection, find_videos
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LIMIT
from robomtl.execution.serving import placed
from robomtl.experiments.adapt import AdaptationFindings
from robomtl.experiments.beyond.beyond_findings import ImprovementFindings
from robomtl.experiments.evaluating import evaluate_plan
from robomtl.experiments.evaluation_report import write_report
from robomtl.experiments.multitask import MultitaskFindings, multitask
from robomtl.experiments.multitask.arm_experiment import check_playable
from robomtl.experiments.resumed_evaluation import serving_device
from robomtl.experiments.running import REPORT
from robomtl.files.request import differences, plain
from robomtl.new_task import adapt_to_new_task, plan_new_task
from robomtl.progress import remark
from robomtl.recipes import RECIPES, Recipe
from robomtl.suites import suite
from robomtl.task import Suite
from robomtl.training import train
from robomtl.training.before_collecting import check_observable
from robomtl.warned import warned_once


@dataclass(frozen=True, kw_only=True)
class RecipeResults:
    """Results of a recipe; fields of parts that the recipe lacks are empty or None."""

    results: Mapping[str, Results] = field(default_factory=dict)
    """Evaluations by kind of wording and, if there is a new task, by adaptation method."""
    arms: MultitaskFindings | None = None
    """Comparison of multi-task with single-task training."""
    methods: AdaptationFindings | None = None
    """Comparison of adaptation methods."""
    beyond: ImprovementFindings | None = None
    """Improvement of a policy over its expert."""


@dataclass(frozen=True, kw_only=True)
class _Plans:
    """Trials of a recipe of one policy, planned before demonstrations are collected."""

    suite: Suite
    """Suite of the policy."""
    evaluations: Mapping[str, Plan]
    """Trials of each evaluation, by kind of wording."""
    new_task: Plan | None
    """Trials of the new task; None if the recipe has none."""


def _plans_of(recipe: Recipe, seed: int) -> _Plans:
    """Plans the trials of a recipe, and checks all of its settings.

    Raises:
        InputError: See ``collect``, ``evaluate``, ``plan_new_task`` and ``multitask``.
    """
    made = suite(recipe.suite, **(recipe.pictures.options if recipe.pictures else {}))
    check_kinds(recipe.conditioning, made.goal)
    architecture = checkpoint.configure(recipe.policy, recipe.policy_config)
    recipe.training.check_chunk(architecture)
    _collection(recipe, seed)
    evaluations = {
        kind: config.plan(made) for kind, config in _evaluations(recipe, seed).items()
    }
    new = recipe.new_task
    new_task = None if new is None else plan_new_task(new, recipe.suite)
    if recipe.multitask is not None:
        check_playable(made, recipe.multitask)
    return _Plans(suite=made, evaluations=evaluations, new_task=new_task)


def _collection(recipe: Recipe, seed: int) -> CollectionConfig:
    return CollectionConfig(episodes=recipe.episodes, noise=recipe.noise, seed=seed)


def _evaluations(recipe: Recipe, seed: int) -> dict[str, EvaluationConfig]:
    """Settings of the evaluations, by kind of wording.

    Raises:
        InputError: If no kind is named.
    """
    if not recipe.instructions:
        raise InputError(
            "instructions is empty; give at least 1 kind of wording, such as canonical."
        )
    return {
        kind: EvaluationConfig(
            episodes=recipe.trials, instructions=kind, until=recipe.until, seed=seed
        )
        for kind in recipe.instructions
    }


def _about(recipe: Recipe) -> dict[str, Any]:
    """The recipe's name, and the settings that differ from the recipe of this name."""
    name = next((k for k, each in RECIPES.items() if each.line == recipe.line), None)
    if name is None:
        return {"recipe": recipe.line}
    differing = differences(plain(RECIPES[name]), plain(recipe))
    changes = [each.phrase(("in the recipe", "in this run")) for each in differing]
    return {"recipe": name, **({"overrides": changes} if changes else {})}


def run_of_one_policy(
    recipe: Recipe,
    folder: Path,
    *,
    data: Path | str | None,
    seed: int,
    compute: Compute,
) -> RecipeResults:
    """Runs a recipe of one policy; work that is finished in the folder is not repeated.

    Args:
        recipe: Recipe to run.
        folder: Run directory; see ``run``.
        data: Recorded demonstrations; None to collect them.
        seed: Seed of the action noise in collection, the initial weights and the sampling.
        compute: Processes or cluster, device and precision.

    Raises:
        InputError: If settings of the recipe do not fit together; see ``run``.
    """
    plans = _plans_of(recipe, seed)  # Before anything is collected.
    made = plans.suite
    if data is None:
        check_observable(
            made,
            policy=recipe.policy,
            conditioning=recipe.conditioning,
            config=recipe.training,
        )
    recorded = _trained(recipe, made, folder, data=data, seed=seed, compute=compute)
    results = _evaluated(recipe, plans, folder, compute=compute)
    if recipe.videos is not None:
        _film(recipe, recipe.videos, made, folder, compute=compute.local)
    if recipe.new_task is not None:
        assert plans.new_task is not None
        results |= adapt_to_new_task(
            folder,
            recipe.new_task,
            plans.new_task,
            out=folder / "new-task",
            seed=seed,
            compute=compute,
        )
    if recipe.multitask is None:
        return RecipeResults(results=results)
    found = multitask(
        made,
        recipe.multitask,
        out=folder / "multitask",
        data=recorded.path,
        compute=compute,
    )
    return RecipeResults(results=results, arms=found)


def _trained(
    recipe: Recipe,
    made: Suite,
    folder: Path,
    *,
    data: Path | str | None,
    seed: int,
    compute: Compute,
) -> Data:
    """Collects the demonstrations and trains a policy on them; returns the former."""
    recorded = obtain(
        made,
        folder,
        data=data,
        config=_collection(recipe, seed),
        compute=compute.local,
    )
    train(
        recorded,
        out=folder,
        policy=recipe.policy,
        policy_config=recipe.policy_config,
        conditioning=recipe.conditioning,
        config=replace(recipe.training, seed=seed),
    )
    return recorded


def _evaluated(
    recipe: Recipe, plans: _Plans, folder: Path, *, compute: Compute
) -> dict[str, Results]:
    """Evaluates the policy; results by kind of wording, the first in the run directory."""
    agent, first = PolicyAgent(folder), recipe.instructions[0]
    with placed(agent, _device(agent, folder, compute)) as acting, warned_once():
        check_pictures(acting, plans.suite)
        return {
            kind: evaluate_plan(
                plan,
                acting,
                out=folder if kind == first else folder / kind,
                executor=compute.within(LIMIT).playing,
                provenance={**_about(recipe), **agent.settings},
            )
            for kind, plan in plans.evaluations.items()
        }


def _device(agent: PolicyAgent, folder: Path, compute: Compute) -> str | None:
    """The device of the process that serves the policy; None to act in the workers."""
    requested = compute.machine.device
    if compute.executor is not None or requested.startswith("cpu"):
        return None
    return serving_device(agent, requested, folder)


def _film(
    recipe: Recipe,
    trials: VideoSelection,
    made: Suite,
    folder: Path,
    *,
    compute: Compute,
) -> None:
    """Films trials of the first evaluation, or prints why they cannot be filmed."""
    agent = PolicyAgent(folder)
    device = serving_device(agent, "auto", folder)  # The device of the evaluation.
    try:
        with placed(agent, device) as acting:
            film(acting, made, folder, trials=trials, compute=compute)
    except (MissingExtraError, InputError) as error:  # Results stand without videos.
        remark(f"No trial is filmed. {error}")
        return
    results = Results.read(folder)
    write_report(
        folder / REPORT,
        results,
        provenance={**_about(recipe), **agent.settings},
        videos=find_videos(folder, results),
    )
