"""Named, complete experiments: data, policy, training and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from robomtl.adaptation.findings import Findings as MethodFindings
from robomtl.adaptation.recipes import ADAPTATIONS, AdaptationRecipe, run_adaptation
from robomtl.agent import PolicyAgent
from robomtl.arguments import checked
from robomtl.conditioning import Augmentation, Kind
from robomtl.demonstrations.obtaining import obtain
from robomtl.errors import InputError
from robomtl.evaluation import Results, evaluate
from robomtl.nearest import unknown
from robomtl.new_task import NewTask, meet
from robomtl.paths import located
from robomtl.ranges import check_seed
from robomtl.registry import suite
from robomtl.sharing import Asked, multitask
from robomtl.sharing import Findings as ArmFindings
from robomtl.task import Suite
from robomtl.training import TrainConfig, train


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment, enough to repeat it."""

    line: str
    """What it shows, in a line."""
    suite: str
    """Suite of the demonstrations and of the evaluation."""
    episodes: int
    """Demonstrations a task."""
    noise: float = 0.5
    """Largest disturbance of the experts; see ``collect``."""
    policy: str = "film"
    """Architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that differ from the defaults."""
    conditioning: tuple[Kind, ...] = ("language",)
    """How the policy is told its task."""
    training: TrainConfig = field(default_factory=TrainConfig)
    """Settings of behaviour cloning."""
    trials: int = 50
    """Trials a task in each evaluation."""
    until: Literal["horizon", "success"] = "horizon"
    """Where a trial stops."""
    instructions: tuple[str, ...] = ("canonical",)
    """Kinds of wording evaluated; the first one's results are the recipe's."""
    new_task: NewTask | None = None
    """A task the policy adapts to at the end; None for none."""
    arms: Asked | None = None
    """Ways to learn the tasks that are compared at the end; None for none."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What came of a recipe; empty where it has no such part."""

    results: Mapping[str, Results] = field(default_factory=dict)
    """By kind of wording; and, if there is a new task, by method."""
    arms: ArmFindings | None = None
    """How learning together compares with learning alone."""
    methods: MethodFindings | None = None
    """How methods of adaptation compare."""


RECIPES: dict[str, Recipe | AdaptationRecipe] = {
    "quickstart": Recipe(
        line="MT10 in minutes: 25 demonstrations a task, told in words",
        suite="metaworld/MT10",
        episodes=25,
        training=TrainConfig(steps=4_000),
        trials=20,
        until="success",
        new_task=NewTask(suite="metaworld/MT50", task="door-lock-v3"),
        arms=Asked(
            arms={"together": "together", "alone": "alone"},
            demonstrations=(2,),
            trials=20,
            steps=1_500,
            affinity=0,
        ),
    ),
    "mt10-state": Recipe(
        line="MT10 from state: 50 undisturbed demonstrations a task",
        suite="metaworld/MT10",
        episodes=50,
        noise=0.0,
        training=TrainConfig(
            steps=20_000, augmentation=Augmentation(mixing=1.0, noise=1.0)
        ),
    ),
    "mt50-state": Recipe(
        line="MT50 from state: 50 demonstrations a task, also in unseen wordings",
        suite="metaworld/MT50",
        episodes=50,
        policy_config={"width": 512},
        training=TrainConfig(steps=30_000, augmentation=Augmentation(swap=0.1)),
        instructions=("canonical", "held-out"),
    ),
    "mt50-state-10demos": Recipe(
        line="MT50 from state: 10 demonstrations a task",
        suite="metaworld/MT50",
        episodes=10,
        training=TrainConfig(steps=20_000),
    ),
    **ADAPTATIONS,
}
"""Experiments by name: policies trained and evaluated, or methods compared."""


@checked
def run(
    name: str,
    *,
    out: Path | str,
    data: Path | str | None = None,
    seed: int = 0,
    workers: int = 2,
) -> Ran:
    """Runs a recipe end to end; what is finished in the folder is not done again.

    Args:
        name: Name of the recipe.
        out: Run directory; it receives ``demonstrations/``, the policy, the first
            evaluation's results, a folder for each further kind of wording, and
            ``new-task/`` and ``multitask/`` where the recipe has them; of a comparison
            of methods, see ``run_adaptation``.
        data: Demonstrations recorded before, of the same suite; collected when None.
        seed: Seed of the disturbance, the weights and the draws.
        workers: Processes that collect and evaluate.

    Raises:
        ValueError: If the recipe is unknown, or the folder holds another run.
    """
    check_seed(seed)
    if name not in RECIPES:
        raise InputError(unknown("recipe", name, RECIPES))
    recipe, folder = RECIPES[name], located(out)
    if isinstance(recipe, AdaptationRecipe):
        found = run_adaptation(
            recipe, out=folder, data=data, seed=seed, workers=workers
        )
        return Ran(methods=found)
    return _run(name, recipe, folder, data=data, seed=seed, workers=workers)


def _run(
    name: str,
    recipe: Recipe,
    folder: Path,
    *,
    data: Path | str | None,
    seed: int,
    workers: int,
) -> Ran:
    made = suite(recipe.suite)
    recorded = obtain(
        made,
        folder,
        data=data,
        episodes=recipe.episodes,
        noise=recipe.noise,
        seed=seed,
        workers=workers,
    )
    train(
        recorded,
        out=folder,
        policy=recipe.policy,
        policy_config=recipe.policy_config,
        conditioning=recipe.conditioning,
        config=replace(recipe.training, seed=seed),
    )
    results = _evaluated(name, recipe, made, folder, seed=seed, workers=workers)
    if recipe.new_task is not None:
        new = folder / "new-task"
        results |= meet(folder, recipe.new_task, out=new, seed=seed, workers=workers)
    if recipe.arms is None:
        return Ran(results=results)
    arms = folder / "multitask"
    found = multitask(made, recipe.arms, out=arms, data=recorded.path, workers=workers)
    return Ran(results=results, arms=found)


def _evaluated(
    name: str, recipe: Recipe, made: Suite, folder: Path, *, seed: int, workers: int
) -> dict[str, Results]:
    """By kind of wording; the first in the folder itself."""
    agent, first = PolicyAgent(folder), recipe.instructions[0]
    return {
        kind: evaluate(
            agent,
            made,
            out=folder if kind == first else folder / kind,
            episodes=recipe.trials,
            instructions=kind,
            until=recipe.until,
            workers=workers,
            seed=seed,
            config={"recipe": name, **agent.settings},
        )
        for kind in recipe.instructions
    }
