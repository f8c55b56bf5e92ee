"""Runs a recipe of any kind: collects, trains, evaluates and compares."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from robomtl.arguments import checked
from robomtl.execution.compute import Compute
from robomtl.execution.machine import check_device
from robomtl.experiments.adapt.adaptation_run import AdaptationRecipe, run_adaptation
from robomtl.experiments.beyond.beyond_experiment import BeyondRecipe, beyond
from robomtl.experiments.multitask.arm_recipe_run import (
    ArmRecipe,
    check_counted,
    run_arms,
)
from robomtl.files.folder_kinds import (
    JOURNAL,
    POLICY,
    RUN,
    check_no_data,
    check_no_run,
)
from robomtl.files.paths import located
from robomtl.files.request import claimed, plain, refuse_other
from robomtl.files.run_record import needed_record
from robomtl.policy_recipe import RecipeResults, run_of_one_policy
from robomtl.ranges import check_seed
from robomtl.recipes import AnyRecipe, Recipe, named_recipe
from robomtl.suites import suite
from robomtl.training.config import with_machine


@checked
def run(
    recipe: str | AnyRecipe,
    *,
    out: Path | str,
    data: Path | str | None = None,
    seed: int = 0,
    compute: Compute | None = None,
) -> RecipeResults:
    """Runs a recipe end to end; work that is finished in the folder is not repeated.

    Args:
        recipe: A name in ``RECIPES``, or a recipe, for example one of these changed by
            ``dataclasses.replace``.
        out: Run directory, for ``demonstrations/``, the policy, the results of the first
            evaluation, a folder for each further kind of wording, ``new-task/`` and
            ``multitask/`` if the recipe has them, and the request, ``recipe.json``. For
            the files of a comparison of methods see ``run_adaptation``, of arms
            ``run_arms``.
        data: Recorded demonstrations of the same suite; None to collect them.
        seed: Seed of the action noise in collection, the initial weights and the sampling.
        compute: Processes or cluster that collect, train and evaluate, and the time limit;
            device and precision of the networks, if the recipe leaves them at ``auto``.
            Demonstrations are collected on this machine.

    Raises:
        InputError: If the recipe is unknown, its settings do not fit together, or the
            folder contains another run.
    """
    check_seed(seed)
    compute = compute or Compute()
    check_device(compute.machine.device)
    chosen = named_recipe(recipe) if isinstance(recipe, str) else recipe
    folder = located(out)
    request = {**request_of(chosen), "seed": seed}
    finished = [folder / name for name in _FINISHED]
    _check_folder(folder, chosen)
    with claimed(folder / _RECIPE, request, finished=finished):
        if isinstance(chosen, AdaptationRecipe):
            found = run_adaptation(
                chosen, out=folder, data=data, seed=seed, compute=compute
            )
            return RecipeResults(methods=found)
        if isinstance(chosen, ArmRecipe):
            arms = run_arms(chosen, out=folder, data=data, seed=seed, compute=compute)
            return RecipeResults(arms=arms)
        if isinstance(chosen, BeyondRecipe):
            check_counted(seed)
            made, design = suite(chosen.suite), chosen.design
            gone = beyond(made, design, out=folder, data=data, compute=compute)
            return RecipeResults(beyond=gone)
        training = with_machine(chosen.training, compute.machine)
        check_device(training.device)  # Before anything is collected.
        prepared = replace(chosen, training=training)
        return run_of_one_policy(
            prepared, folder, data=data, seed=seed, compute=compute
        )


_RECIPE = "recipe.json"
_FINISHED = (POLICY, f"adaptation/{JOURNAL}", JOURNAL)
"""Files whose presence fixes the request of a folder."""
_GROWING = {
    "line",
    "training",
    "instructions",
    "videos",
    "pretraining",
    "request",
    "design",
}
"""Fields of a recipe that may be extended in the same folder. They are not compared here:
training is checked by its ``run.json``, cells and wordings by their journals."""
_GROWING_WITHIN = {
    "new_task": {"methods"},
    "multitask": {"arms", "settings", "seeds", "demonstrations"},
}


def request_of(recipe: AnyRecipe) -> dict[str, Any]:
    """The settings of a recipe that must not change in its folder, as plain data."""
    fixed = {k: v for k, v in plain(recipe).items() if k not in _GROWING}
    for name, growing in _GROWING_WITHIN.items():
        if fixed.get(name):
            fixed[name] = {k: v for k, v in fixed[name].items() if k not in growing}
    return fixed


def _check_folder(folder: Path, recipe: AnyRecipe) -> None:
    """Refuses a folder with other contents, before demonstrations are collected into it.

    Folders in which earlier versions ran a recipe have no ``recipe.json``.

    Raises:
        InputError: If the folder is a data set, or the run directory of another training.
    """
    check_no_data(folder)
    if (folder / _RECIPE).exists() or not (folder / RUN).exists():
        return
    if not isinstance(recipe, Recipe):
        check_no_run(folder)
        return
    names = ("policy", "conditioning", "suite")
    record = needed_record(folder)
    refuse_other(
        folder,
        {name: plain(getattr(record, name)) for name in names},
        {name: plain(getattr(recipe, name)) for name in names},
    )
