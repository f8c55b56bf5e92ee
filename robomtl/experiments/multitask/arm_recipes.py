"""Named, complete comparisons of arms: data, policies, training and trials."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from robomtl.demonstrations import CollectionConfig, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.experiments.multitask.arm_design import MultitaskRequest
from robomtl.experiments.multitask.arm_experiment import check_playable, multitask
from robomtl.experiments.multitask.arm_findings import MultitaskFindings
from robomtl.experiments.multitask.arms import EVERY
from robomtl.joint import joint_name
from robomtl.policy import POLICIES
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
        InputError: If another seed is given, or a folder holds something else.
    """
    check_counted(seed)
    compute, request = compute or Compute(), recipe.request
    made = suite(recipe.suite)
    if recipe.before is not None:
        check_playable(made, request)  # Before anything is trained.
        start = _trained_before(recipe, recipe.before, out / "before", compute)
        own = {label: {"start": str(start)} for label in recipe.before.arms}
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


_ARCHITECTURES: Mapping[str, Mapping[str, Any]] = {
    "film": {},
    "mlp": {},
    "transformer": {},
    "act": {},
    "diffusion": {},
    "flow": {},
    "octo": {},
    "rt1": {},
    "multi_head": {},
    "soft_modularization": {},
    "mixture_of_experts": {},
}
"""Settings of the policies that are compared, by their registered names."""


def _architectures() -> MultitaskRequest:
    there = [name for name in _ARCHITECTURES if name in POLICIES.own()]
    return MultitaskRequest(
        arms=dict.fromkeys(there, "together"),
        settings={name: {"policy": name, **_ARCHITECTURES[name]} for name in there},
        demonstrations=(50,),
        steps=10_000,
        samples=25,
        affinity=0,
    )


def _walls() -> MultitaskRequest:
    heads = ("l1", "l2", "gaussian", "mixture", "bins", "flow", "diffusion")
    same = {"policy_config.chunk": 16, "policy_config.width": 256}
    return MultitaskRequest(
        arms=dict.fromkeys(heads, "together"),
        settings={
            EVERY: same,
            **{name: {"policy_config.loss": name} for name in heads},
        },
        reference="l1",
        demonstrations=(100,),
        steps=10_000,
        samples=64,
        affinity=0,
    )


_TRANSFORMS = {"translation": 0.1, "rotation": 20.0, "approach": 0.15}
"""Augmentations of positions, with the magnitudes that few demonstrations need."""


def _augmented(*names: str) -> Mapping[str, Any]:
    """Settings of an arm with some of the transforms."""
    return {f"training.augmentation.{name}": _TRANSFORMS[name] for name in names}


def _few() -> MultitaskRequest:
    alone = {name: _augmented(name) for name in _TRANSFORMS}
    without = {
        f"no-{name}": _augmented(*(each for each in _TRANSFORMS if each != name))
        for name in _TRANSFORMS
    }
    every = _augmented(*_TRANSFORMS)
    settings = {"all": every, **without, **alone, "alone-all": every}
    together = dict.fromkeys(("none", "all", *without, *alone), "together")
    return MultitaskRequest(
        arms={**together, "alone-none": "alone", "alone-all": "alone"},
        settings=settings,
        reference="none",
        demonstrations=(1, 2, 5, 10),
        trials=20,
        steps=2_500,
        samples=25,
        affinity=0,
    )


WORST_TEN = (
    "peg-insert-side-v3",
    "soccer-v3",
    "stick-pull-v3",
    "basketball-v3",
    "button-press-wall-v3",
    "push-back-v3",
    "sweep-into-v3",
    "disassemble-v3",
    "reach-v3",
    "bin-picking-v3",
)
"""Tasks of MT50 that a policy of ``mt50-state`` solved least often."""

_TWISTED = "pseudo/twisted/metaworld/MT10"
_OTHERS = (
    "metaworld/MT10",
    "pseudo/delayed/metaworld/MT10",
    "pseudo/scaled/metaworld/MT10",
)

ARM_RECIPES = {
    "pseudo-embodiments": ArmRecipe(
        line="MT10 for a new pseudo-embodiment: 5 demonstrations, beside 3 others or alone",
        suite=joint_name((*_OTHERS, _TWISTED)),
        noise=0.5,
        request=MultitaskRequest(
            arms={"co-trained": "together", "aligned": "together", "alone": "apart"},
            settings={"aligned": {"training.alignment": "end_effector"}},
            reference="alone",
            target=(_TWISTED,),
            demonstrations=(5,),
            source_demonstrations=25,
            seeds=5,
            trials=20,
            steps=8_000,
            samples=12,
            affinity=0,
        ),
    ),
    "cross-embodiment": ArmRecipe(
        line="One policy for the robots of several suites, or one policy for each suite",
        suite=joint_name(("metaworld/MT10", "fetch/MT4", "robosuite/MT4")),
        noise=0.5,
        request=MultitaskRequest(
            arms={"together": "together", "apart": "apart"},
            reference="apart",
            demonstrations=(5, 50),
            seeds=3,
            steps=10_000,
            samples=25,
            affinity=0,
        ),
    ),
    "architectures": ArmRecipe(
        line="MT10 from state: every policy, with equal steps and batches",
        suite="metaworld/MT10",
        request=_architectures(),
    ),
    "walls": ArmRecipe(
        line="Two experts pass a wall left and right: every action head, with chunks",
        suite="metaworld/walls",
        request=_walls(),
    ),
    "few-demonstrations": ArmRecipe(
        line="MT10 from 1 to 10 demonstrations: each transform of samples, together, alone",
        suite="metaworld/MT10",
        noise=0.5,
        request=_few(),
    ),
    "worst-ten": ArmRecipe(
        line="The worst ten tasks of MT50: mixtures that are uniform, proportional, learned",
        suite="metaworld/MT50",
        noise=0.5,
        request=MultitaskRequest(
            arms=dict.fromkeys(("uniform", "proportional", "learned"), "together"),
            settings={
                "proportional": {"training.sampling": "proportional"},
                "learned": {"training.mixture": "learned"},
            },
            reference="uniform",
            tasks=WORST_TEN,
            demonstrations=(10,),
            seeds=3,
            steps=4_000,
            samples=25,
            affinity=0,
        ),
    ),
    "few-demonstrations-mt50": ArmRecipe(
        line="MT50 from 1 to 10 demonstrations, with transforms of samples and without",
        suite="metaworld/MT50",
        noise=0.5,
        request=MultitaskRequest(
            arms={"none": "together", "all": "together"},
            settings={"all": _augmented(*_TRANSFORMS)},
            reference="none",
            demonstrations=(1, 2, 5, 10),
            trials=20,
            steps=8_000,
            samples=6,
            affinity=0,
        ),
    ),
    "pretrain-then-ten": ArmRecipe(
        line="Ten tasks from a few demonstrations, after 40 others or from scratch",
        suite="metaworld/MT10",
        request=MultitaskRequest(
            arms={"scratch": "together", "pretrained": "together"},
            reference="scratch",
            demonstrations=(2, 5, 10),
            steps=3_000,
            samples=25,
            affinity=0,
        ),
        before=Before(
            suite="metaworld/MT50",
            episodes=25,
            arms=("pretrained",),
            training=TrainConfig(steps=15_000, threads=1),
        ),
    ),
}
"""Comparisons of arms by name."""
