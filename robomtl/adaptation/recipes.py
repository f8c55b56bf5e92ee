"""Named, complete comparisons of methods: data, policies of every objective, trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl.adaptation.comparing import compare_methods
from robomtl.adaptation.family import PLAIN
from robomtl.adaptation.findings import Findings
from robomtl.adaptation.planning import Asked, configured
from robomtl.conditioning import Kind
from robomtl.demonstrations import Demonstrations, collect
from robomtl.registry import suite
from robomtl.task import Suite
from robomtl.training import TrainConfig, train


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How the policy of an objective is trained."""

    training: TrainConfig = field(default_factory=TrainConfig)
    """Settings of the run."""
    policy: str = "film"
    """Architecture."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that differ from the defaults."""
    objective_config: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the objective that differ from the defaults."""


@dataclass(frozen=True, kw_only=True)
class AdaptationRecipe:
    """One comparison of methods, enough to repeat it."""

    line: str
    """What it shows, in a line."""
    suite: str
    """Suite that holds tasks, or goals, out."""
    options: Mapping[str, Any]
    """Options of the suite."""
    episodes: int
    """Demonstrations of each training task."""
    asked: Asked
    """Methods, shots, draws and trials."""
    pretraining: Mapping[str, Pretraining]
    """By objective."""
    noise: float = 0.0
    """Largest disturbance of the experts; see ``collect``."""
    conditioning: Sequence[Kind] = ("language",)
    """How policies are told their task, besides what is inferred."""
    seeds: int = 1
    """Seeds of training."""

    def __post_init__(self) -> None:
        """Checks that every method has its policy.

        Raises:
            ValueError: If an objective is missing.
        """
        needed = {each.objective or PLAIN for each in configured(self.asked).values()}
        missing = sorted(needed - set(self.pretraining))
        if missing:
            raise ValueError(f"No pretraining is given for {', '.join(missing)}.")


def run_adaptation(
    recipe: AdaptationRecipe,
    *,
    out: Path,
    data: Path | str | None = None,
    seed: int = 0,
    workers: int = 2,
) -> Findings:
    """Runs a comparison end to end; what is finished in the folder is not done again.

    Args:
        recipe: What is compared.
        out: Receives ``demonstrations/``, a run directory ``OBJECTIVE/seed-NUMBER`` for
            each policy, and the comparison in ``adaptation/``.
        data: Demonstrations of the training tasks recorded before; collected when None.
        seed: First seed of training.
        workers: Processes that collect, adapt and evaluate.

    Raises:
        ValueError: If a folder holds something else.
    """
    made = suite(recipe.suite, **recipe.options)
    prior = _prior(recipe, made, out, data, workers)
    for number in range(seed, seed + recipe.seeds):
        for objective, each in recipe.pretraining.items():
            train(
                prior,
                out=out / objective / f"seed-{number}",
                policy=each.policy,
                policy_config=each.policy_config,
                conditioning=recipe.conditioning,
                objective=objective,
                objective_config=each.objective_config,
                config=replace(each.training, seed=number),
            )
    return compare_methods(
        out,
        made,
        recipe.asked,
        out=out / "adaptation",
        seeds=recipe.seeds,
        prior=prior.path,
        workers=workers,
    )


def _prior(
    recipe: AdaptationRecipe,
    made: Suite,
    out: Path,
    data: Path | str | None,
    workers: int,
) -> Demonstrations:
    if data is None:
        return collect(
            made,
            out / "demonstrations",
            episodes=recipe.episodes,
            noise=recipe.noise,
            workers=workers,
        )
    recorded = Demonstrations(data)
    if recorded.suite != recipe.suite:
        raise ValueError(
            f"{data} was recorded in {recorded.suite}; this recipe takes {recipe.suite}."
        )
    return recorded.select(per_task=recipe.episodes)
