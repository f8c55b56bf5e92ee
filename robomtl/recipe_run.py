"""Runs a recipe: collects, trains, evaluates and compares what it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl.acting.agent import PolicyAgent, check_pictures
from robomtl.arguments import checked
from robomtl.conditioning.conditioning import check_kinds
from robomtl.demonstrations import CollectionConfig
from robomtl.demonstrations.collect_missing import obtain
from robomtl.demonstrations.mixture import Data
from robomtl.errors import InputError, MissingExtraError
from robomtl.evaluation import EvaluationConfig, Results, film
from robomtl.evaluation.conditions import Plan, planned
from robomtl.evaluation.video import Which, find_videos
from robomtl.execution.compute import Compute
from robomtl.execution.executor import LIMIT
from robomtl.execution.machine import check_device
from robomtl.execution.serving import placed
from robomtl.experiments.adapt import AdaptationFindings
from robomtl.experiments.adapt.adaptation_run import AdaptationRecipe, run_adaptation
from robomtl.experiments.beyond.beyond_experiment import BeyondRecipe, beyond
from robomtl.experiments.beyond.beyond_findings import ImprovementFindings
from robomtl.experiments.evaluating import evaluate_plan
from robomtl.experiments.evaluation_report import write_report
from robomtl.experiments.multitask import MultitaskFindings, multitask
from robomtl.experiments.multitask.arm_experiment import check_playable
from robomtl.experiments.multitask.arm_recipes import ArmRecipe, check_counted, run_arms
from robomtl.experiments.resumed_evaluation import serving_device
from robomtl.experiments.running import REPORT
from robomtl.files.folder_kinds import (
    JOURNAL,
    POLICY,
    RUN,
    check_no_data,
    check_no_run,
)
from robomtl.files.paths import located
from robomtl.files.request import claimed, differences, plain, refuse_other
from robomtl.files.run_record import needed_record
from robomtl.new_task import adapt_to_new_task, plan_new_task
from robomtl.progress import remark
from robomtl.ranges import check_seed
from robomtl.recipes import RECIPES, AnyRecipe, Recipe, named_recipe
from robomtl.suites import suite
from robomtl.task import Suite
from robomtl.training import train
from robomtl.training.config import with_machine


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What came of a recipe; empty where it has no such part."""

    results: Mapping[str, Results] = field(default_factory=dict)
    """By kind of wording; and, if there is a new task, by method."""
    arms: MultitaskFindings | None = None
    """How learning together compares with learning alone."""
    methods: AdaptationFindings | None = None
    """How methods of adaptation compare."""
    beyond: ImprovementFindings | None = None
    """How far a policy goes beyond its expert."""


@checked
def run(
    recipe: str | AnyRecipe,
    *,
    out: Path | str,
    data: Path | str | None = None,
    seed: int = 0,
    compute: Compute | None = None,
) -> Ran:
    """Runs a recipe end to end; what is finished in the folder is not done again.

    Args:
        recipe: A name in ``RECIPES``, or a recipe, such as one of them with other
            values by ``dataclasses.replace``.
        out: Run directory; it receives ``demonstrations/``, the policy, the first
            evaluation's results, a folder for each further kind of wording, and
            ``new-task/`` and ``multitask/`` where the recipe has them; of a comparison
            of methods, see ``run_adaptation``, and of arms ``run_arms``. ``recipe.json``
            in it is the request.
        data: Demonstrations recorded before, of the same suite; collected when None.
        seed: Seed of the disturbance, the weights and the draws.
        compute: Processes that collect, train and evaluate, or a cluster, and the limit
            of time; device and precision of the networks, where the recipe leaves them at
            ``auto``. Demonstrations are collected on this machine.

    Raises:
        InputError: If the recipe is unknown, its parts do not fit, or the folder holds
            another run.
    """
    check_seed(seed)
    compute = compute or Compute()
    check_device(compute.machine.device)
    chosen = named_recipe(recipe) if isinstance(recipe, str) else recipe
    folder = located(out)
    request = {**request_of(chosen), "seed": seed}
    finished = [folder / name for name in _FINISHED]
    _check_folder(folder, chosen)
    # Before anything is collected.
    plans = _planned(chosen, seed) if isinstance(chosen, Recipe) else None
    with claimed(folder / _RECIPE, request, finished=finished):
        if isinstance(chosen, AdaptationRecipe):
            found = run_adaptation(
                chosen, out=folder, data=data, seed=seed, compute=compute
            )
            return Ran(methods=found)
        if isinstance(chosen, ArmRecipe):
            arms = run_arms(chosen, out=folder, data=data, seed=seed, compute=compute)
            return Ran(arms=arms)
        if isinstance(chosen, BeyondRecipe):
            check_counted(seed)
            made, design = suite(chosen.suite), chosen.design
            gone = beyond(made, design, out=folder, data=data, compute=compute)
            return Ran(beyond=gone)
        training = with_machine(chosen.training, compute.machine)
        check_device(training.device)  # Before anything is collected.
        prepared = replace(chosen, training=training)
        assert plans is not None
        return _run(prepared, plans, folder, data=data, seed=seed, compute=compute)


_RECIPE = "recipe.json"
_FINISHED = (POLICY, f"adaptation/{JOURNAL}", JOURNAL)
"""The first files in the folder of a recipe that depend on the whole request."""
_GROWING = {
    "line",
    "training",
    "instructions",
    "videos",
    "pretraining",
    "request",
    "design",
}
"""Parts of a recipe that may be extended in the same folder. They are not compared here:
a training is checked by its ``run.json``, cells and wordings by their journals."""
_GROWING_WITHIN = {
    "new_task": {"methods"},
    "multitask": {"arms", "settings", "seeds", "demonstrations"},
}


def request_of(recipe: AnyRecipe) -> dict[str, Any]:
    """The values of a recipe that stay the same in its folder, as JSON holds them."""
    fixed = {k: v for k, v in plain(recipe).items() if k not in _GROWING}
    for name, growing in _GROWING_WITHIN.items():
        if fixed.get(name):
            fixed[name] = {k: v for k, v in fixed[name].items() if k not in growing}
    return fixed


def _check_folder(folder: Path, recipe: AnyRecipe) -> None:
    """Refuses the folder of something else, before anything is collected into it.

    Folders in which earlier versions ran a recipe have no ``recipe.json``.

    Raises:
        InputError: If it is a data set, or the run directory of another training.
    """
    check_no_data(folder)
    if (folder / _RECIPE).exists() or not (folder / RUN).exists():
        return
    if not isinstance(recipe, Recipe):
        check_no_run(folder)
        return
    names = ("policy", "conditioning", "suite")
    there, here = needed_record(folder), recipe
    refuse_other(
        folder,
        {name: plain(getattr(there, name)) for name in names},
        {name: plain(getattr(here, name)) for name in names},
    )


@dataclass(frozen=True, kw_only=True)
class _Plans:
    """Everything a recipe of one policy plays, planned before anything is collected."""

    suite: Suite
    """Suite of the policy."""
    evaluations: Mapping[str, Plan]
    """By kind of wording."""
    new_task: Plan | None
    """Trials of the new task; None where the recipe has none."""


def _planned(recipe: Recipe, seed: int) -> _Plans:
    """The plans of a recipe that can be collected, played, adapted to and compared.

    Raises:
        InputError: See ``collect``, ``evaluate``, ``plan_new_task`` and ``multitask``.
    """
    made = suite(recipe.suite, **(recipe.pictures.options if recipe.pictures else {}))
    check_kinds(recipe.conditioning, made.goal)
    _collection(recipe, seed)
    evaluations = {
        kind: planned(made, config.conditions(made))
        for kind, config in _evaluations(recipe, seed).items()
    }
    new = recipe.new_task
    new_task = None if new is None else plan_new_task(new, recipe.suite)
    if recipe.multitask is not None:
        check_playable(made, recipe.multitask)
    return _Plans(suite=made, evaluations=evaluations, new_task=new_task)


def _collection(recipe: Recipe, seed: int) -> CollectionConfig:
    return CollectionConfig(episodes=recipe.episodes, noise=recipe.noise, seed=seed)


def _evaluations(recipe: Recipe, seed: int) -> dict[str, EvaluationConfig]:
    """What is played, by kind of wording.

    Raises:
        InputError: If no kind is named.
    """
    if not recipe.instructions:
        raise InputError(
            "instructions is empty; name at least 1 kind of wording, such as canonical."
        )
    return {
        kind: EvaluationConfig(
            episodes=recipe.trials, instructions=kind, until=recipe.until, seed=seed
        )
        for kind in recipe.instructions
    }


def _about(recipe: Recipe) -> dict[str, Any]:
    """The recipe's name, and the values in which it differs from the one so named."""
    name = next((k for k, each in RECIPES.items() if each.line == recipe.line), None)
    if name is None:
        return {"recipe": recipe.line}
    differing = differences(plain(RECIPES[name]), plain(recipe))
    changes = [each.phrase(("in the recipe", "here")) for each in differing]
    return {"recipe": name, **({"overrides": changes} if changes else {})}


def _run(
    recipe: Recipe,
    plans: _Plans,
    folder: Path,
    *,
    data: Path | str | None,
    seed: int,
    compute: Compute,
) -> Ran:
    """Runs a recipe of one policy."""
    made = plans.suite
    recorded = _trained(recipe, made, folder, data=data, seed=seed, compute=compute)
    results = _evaluated(recipe, plans, folder, compute=compute)
    if recipe.videos is not None:
        _film(recipe, recipe.videos, made, folder, compute=compute.here)
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
        return Ran(results=results)
    found = multitask(
        made,
        recipe.multitask,
        out=folder / "multitask",
        data=recorded.path,
        compute=compute,
    )
    return Ran(results=results, arms=found)


def _trained(
    recipe: Recipe,
    made: Suite,
    folder: Path,
    *,
    data: Path | str | None,
    seed: int,
    compute: Compute,
) -> Data:
    """The demonstrations, once a policy is trained on them."""
    recorded = obtain(
        made,
        folder,
        data=data,
        config=_collection(recipe, seed),
        compute=compute.here,
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
    """By kind of wording; the first in the folder itself."""
    agent, first = PolicyAgent(folder), recipe.instructions[0]
    with placed(agent, _device(agent, folder, compute)) as acting:
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
    """The device that serves the policy; None for the workers' own cores."""
    requested = compute.machine.device
    if compute.executor is not None or requested.startswith("cpu"):
        return None
    return serving_device(agent, requested, folder)


def _film(
    recipe: Recipe, which: Which, made: Suite, folder: Path, *, compute: Compute
) -> None:
    """Films trials of the first evaluation, or prints why they cannot be filmed."""
    agent = PolicyAgent(folder)
    device = serving_device(agent, "auto", folder)  # That of the evaluation.
    try:
        with placed(agent, device) as acting:
            film(acting, made, folder, which=which, compute=compute)
    except (MissingExtraError, InputError) as error:  # The results stand without films.
        remark(f"No trial is filmed. {error}")
        return
    results = Results.read(folder)
    write_report(
        folder / REPORT,
        results,
        provenance={**_about(recipe), **agent.settings},
        videos=find_videos(folder, results),
    )
