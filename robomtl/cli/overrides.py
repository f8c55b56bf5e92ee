"""Conversion of recipes to flags of the command line, and of flags back to recipes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from robomtl import checkpoint
from robomtl.cli.compute_flags import ComputeFlags
from robomtl.cli.flags import SuiteFlags, given
from robomtl.cli.labels import (
    ArmFlags,
    MethodFlags,
    arm_flags,
    arms_from,
    method_words,
    methods_from,
)
from robomtl.cli.suite_options import options_from
from robomtl.errors import InputError
from robomtl.experiments.adapt.adaptation_run import (
    AdaptationRecipe,
    ComparisonSettings,
    Pretraining,
)
from robomtl.experiments.adapt.method_design import Design
from robomtl.experiments.beyond.beyond_design import Design as Rounds
from robomtl.experiments.beyond.beyond_experiment import BeyondRecipe
from robomtl.experiments.multitask.arm_recipe_run import ArmRecipe
from robomtl.recipes import AnyRecipe, Experiment, Recipe
from robomtl.training import TrainConfig

HELP_ALL = "--help-all"
"""Flag that shows all settings, including those of each objective's training."""

_Policy = Annotated[str, tyro.conf.arg(help="Architecture.")]


@dataclass(frozen=True, kw_only=True)
class RunFlags(ComputeFlags):
    """Collects missing demonstrations, trains, evaluates and reports."""

    recipe: tyro.conf.Positional[str]
    """Recipe, such as quickstart. `robomtl run RECIPE --help` shows all of its settings."""
    out: Path | None = None
    """Run directory; a dated one under runs/ by default. An existing one is resumed."""
    data: Path | None = None
    """Recorded demonstrations; collected by default."""
    seed: int = 0
    """Seed of all random numbers."""


@dataclass(frozen=True, kw_only=True)
class _RoundsFlags(Rounds):
    suite: str
    """Suite of the demonstrations and of the trials."""


def recipe_flags(recipe: AnyRecipe, common: RunFlags, arguments: Sequence[str]) -> Any:
    """The flags of a recipe: a frozen dataclass with the recipe's values.

    Args:
        recipe: Recipe that the flags change.
        common: Flags that all recipes have.
        arguments: Words of the command line, whose architectures determine which settings
            are flags.
    """
    if isinstance(recipe, Recipe):
        own = _of_experiment(recipe, arguments)
        bases: tuple[type, ...] = (RunFlags, Experiment)
        shared = _values(recipe, Experiment)
    elif isinstance(recipe, BeyondRecipe):
        own, bases = {}, (RunFlags, _RoundsFlags)
        shared = {**vars(recipe.design), "suite": recipe.suite}
    elif isinstance(recipe, ArmRecipe):
        own = {} if recipe.before is None else {"before": recipe.before}
        bases = (RunFlags, ArmFlags)
        shared = vars(arm_flags(recipe.request))
    else:
        own = _of_comparison(recipe, arguments)
        bases = (RunFlags, ComparisonSettings, MethodFlags)
        shared = {
            **_values(recipe, ComparisonSettings),
            **_values(recipe.request, Design),
            "methods": method_words(recipe.request),
            "num_goals": recipe.request.goals,
        }
    return _made("Run", own, bases)(**{**vars(common), **shared, **own})


def overridden(recipe: AnyRecipe, flags: Any) -> AnyRecipe:
    """The recipe with the values of its flags.

    Raises:
        InputError: If a label is unknown, or values are incompatible.
    """
    if isinstance(recipe, Recipe):
        _check_seed("training", flags.training, recipe.training)
        arms = recipe.multitask and arms_from(flags.multitask, recipe.multitask)
        return replace(
            recipe,
            **_values(flags, Experiment),
            policy_config=_changes(flags.architecture),
            new_task=recipe.new_task and flags.new_task,
            pictures=recipe.pictures and flags.pictures,
            multitask=arms,
        )
    if isinstance(recipe, BeyondRecipe):
        design = Rounds(**_values(flags, Rounds))
        return replace(recipe, suite=flags.suite, design=design)
    if isinstance(recipe, ArmRecipe):
        before = recipe.before and flags.before
        return replace(recipe, request=arms_from(flags, recipe.request), before=before)
    return _overridden_comparison(recipe, flags)


def _overridden_comparison(recipe: AdaptationRecipe, flags: Any) -> AdaptationRecipe:
    """The comparison of methods with the values of its flags; see ``overridden``."""
    for objective, part in recipe.pretraining.items():
        training = getattr(flags.pretraining, objective).training
        _check_seed(f"pretraining.{objective}.training", training, part.training)
    return replace(
        recipe,
        **_values(flags, ComparisonSettings),
        options={
            **_of_suite_alone(recipe.options),
            **flags.options.given,
            **options_from(recipe.suite, flags.options.suite_options),
        },
        request=methods_from(flags, recipe.request),
        pretraining={
            objective: replace(
                recipe.pretraining[objective],
                training=part.training,
                policy=part.policy,
                policy_config=_changes(part.architecture),
                objective_config=_changes(part.meta),
            )
            for objective, part in vars(flags.pretraining).items()
        },
    )


def _of_suite_alone(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without a flag of their own, set by ``--options.suite-options``."""
    flags = {each.name for each in fields(SuiteFlags)}
    return {name: value for name, value in options.items() if name not in flags}


def _of_experiment(recipe: Recipe, arguments: Sequence[str]) -> dict[str, Any]:
    """The nested dataclasses of a recipe, by flag."""
    architecture = _architecture(recipe.policy, recipe.policy_config, "", arguments)
    parts = {
        "architecture": architecture,
        "new_task": recipe.new_task,
        "pictures": recipe.pictures,
        "multitask": recipe.multitask and arm_flags(recipe.multitask),
    }
    return {name: part for name, part in parts.items() if part is not None}


def _of_comparison(
    recipe: AdaptationRecipe, arguments: Sequence[str]
) -> dict[str, Any]:
    """The nested dataclasses of a comparison of methods, by flag."""
    parts = {
        objective: _of_pretraining(objective, part, arguments)
        for objective, part in recipe.pretraining.items()
    }
    own = _of_suite_alone(recipe.options)
    options = {k: _as_tuple(v) for k, v in recipe.options.items() if k not in own}
    # tyro refuses hidden flags, so they are hidden only if help is requested.
    hidden = "--help" in arguments or "-h" in arguments
    return {
        "options": SuiteFlags(**options),
        "pretraining": _made("Pretraining", parts, hidden=hidden)(**parts),
    }


def _of_pretraining(objective: str, part: Pretraining, arguments: Sequence[str]) -> Any:
    within = f"pretraining.{objective.replace('_', '-')}."
    own = {
        "training": part.training,
        "architecture": _architecture(
            part.policy, part.policy_config, within, arguments
        ),
        "meta": checkpoint.configure_objective(objective, part.objective_config),
    }
    made = make_dataclass(
        "Pretraining",
        [("policy", _Policy), *((name, type(value)) for name, value in own.items())],
        frozen=True,
        kw_only=True,
    )
    return made(policy=part.policy, **own)


def _check_seed(within: str, given: TrainConfig, usual: TrainConfig) -> None:
    if given.seed != usual.seed:
        raise InputError(
            f"--{within}.seed would have no effect: --seed {given.seed} seeds all random"
            " numbers of a recipe."
        )


def _architecture(
    usual: str, config: Mapping[str, Any], within: str, arguments: Sequence[str]
) -> Any:
    """The config of the architecture named by the arguments, or else by the recipe."""
    named = given(arguments, f"--{within}policy") or usual
    return checkpoint.configure(named, config if named == usual else {})


def _made(
    name: str,
    own: Mapping[str, Any],
    bases: tuple[type, ...] = (),
    *,
    hidden: bool = False,
) -> type[Any]:
    """A dataclass with fields of these types, optionally hidden from the help."""
    kinds = [
        (each, tyro.conf.Suppress[type(value)] if hidden else type(value))  # type: ignore[misc]
        for each, value in own.items()
    ]
    return make_dataclass(name, kinds, bases=bases, frozen=True, kw_only=True)


def _values(source: object, of: type[Any]) -> dict[str, Any]:
    return {each.name: getattr(source, each.name) for each in fields(of)}


def _changes(config: Any) -> dict[str, Any]:
    """The fields of a config that differ from its defaults."""
    usual, given = vars(type(config)()), vars(config)
    return {name: value for name, value in given.items() if value != usual[name]}


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
