"""``robomtl run``: runs a named recipe from demonstrations to a report."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import tyro

from robomtl.cli.flags import given, refuse_noise
from robomtl.cli.overrides import HELP_ALL, RunFlags, overridden, recipe_flags
from robomtl.cli.run_directory import run_directory
from robomtl.cli.tables import show, show_report
from robomtl.errors import InputError
from robomtl.evaluation import success_table
from robomtl.experiments.adapt.adaptation_run import AdaptationRecipe
from robomtl.experiments.adapt.method_report import methods_report
from robomtl.experiments.beyond.beyond_report import beyond_report
from robomtl.experiments.multitask.arm_recipe_run import ArmRecipe
from robomtl.experiments.multitask.arm_report import arms_report
from robomtl.experiments.running import REPORT
from robomtl.recipe_run import run
from robomtl.recipes import AnyRecipe, Recipe, named_recipe

_HELP = ("-h", "--help", HELP_ALL)


def main(arguments: Sequence[str]) -> None:
    """Runs the recipe that the arguments name, with the settings that they change."""
    usual, default = _named(arguments)
    flags = tyro.cli(
        type(default),
        default=default,
        args=["--help" if word == HELP_ALL else word for word in arguments],
        prog="robomtl run",
        description=_described(usual, arguments),
    )
    refuse_noise(flags.data, given(arguments, "--noise"))
    recipe = overridden(usual, flags)
    with run_directory(flags.out, "run", flags.recipe, flags=flags) as out:
        ran = run(
            recipe,
            out=out,
            data=flags.data,
            seed=flags.seed,
            compute=flags.compute,
        )
    if ran.methods is not None:
        show_report(methods_report(ran.methods))
        print(f"Report: {out / 'adaptation' / 'report.html'}")
        return
    if ran.beyond is not None:
        show_report(beyond_report(ran.beyond))
        print(f"Report: {out / REPORT}")
        return
    if isinstance(recipe, ArmRecipe) and ran.arms is not None:
        show_report(arms_report(ran.arms))
        print(f"Report: {out / REPORT}")
        return
    for kind, result in ran.results.items():
        print(f"\n{_heading(recipe, kind)}", flush=True)
        show(success_table(result))
    if ran.arms is not None:
        print("\nMulti-task against single-task training:", flush=True)
        show_report(arms_report(ran.arms))
        print(f"Report of both: {out / 'multitask' / 'report.html'}")
    print(f"Report: {out / 'report.html'}")


def _named(arguments: Sequence[str]) -> tuple[AnyRecipe, Any]:
    """The recipe that the arguments name, and its flags with their defaults."""
    values = pairwise(["", *(word for word in arguments if word not in _HELP)])
    names = [
        word
        for before, word in values
        if not word.startswith("-") and (before[:2] != "--" or "=" in before)
    ]
    if not names and any(word.startswith("--") for word in {*arguments} - {*_HELP}):
        raise InputError(
            "No recipe is named. Give its name before its settings, as in robomtl run"
            f" quickstart {' '.join(arguments)}; robomtl list shows all recipes."
        )
    if not names:
        # Prints the help, or the missing argument, and exits.
        tyro.cli(RunFlags, args=arguments, prog="robomtl run")
    recipe = named_recipe(names[0])
    return recipe, recipe_flags(recipe, RunFlags(recipe=names[0]), arguments)


def _described(recipe: AnyRecipe, arguments: Sequence[str]) -> str:
    """The description of a recipe in its help, with a hint at the hidden settings."""
    if not isinstance(recipe, AdaptationRecipe) or HELP_ALL in arguments:
        return f"{recipe.line}."
    names = ", ".join(name.replace("_", "-") for name in recipe.pretraining)
    return (
        f"{recipe.line}.\n\nThe training of each objective has its own settings, such as"
        f" --pretraining.cloning.training.steps; {HELP_ALL} shows them. Objectives:"
        f" {names}."
    )


def _heading(recipe: object, kind: str) -> str:
    """The heading of a table of results: a kind of wording, or an adaptation method."""
    new = recipe.new_task if isinstance(recipe, Recipe) else None
    if new is None or kind not in new.methods:
        return f"With {kind} instructions:"
    return f"A new task, {kind} on {new.shots} demonstrations:"
