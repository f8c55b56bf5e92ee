"""Recipes for comparisons of arms."""

from collections.abc import Mapping
from typing import Any

from robomtl.experiments.multitask.arm_design import MultitaskRequest
from robomtl.experiments.multitask.arm_recipe_run import ArmRecipe, InitialPolicy
from robomtl.experiments.settings import EVERY
from robomtl.joint import joint_name
from robomtl.policy import POLICIES
from robomtl.training import TrainConfig

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
"""Settings of the compared policies, by registered name."""


def _architectures() -> MultitaskRequest:
    names = [name for name in _ARCHITECTURES if name in POLICIES.built_in()]
    return MultitaskRequest(
        arms=dict.fromkeys(names, "together"),
        settings={name: {"policy": name, **_ARCHITECTURES[name]} for name in names},
        demonstrations=(50,),
        steps=20_000,
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
"""Augmentations of positions, with magnitudes suited to few demonstrations."""


def _augmented(*names: str) -> Mapping[str, Any]:
    """Settings of an arm that uses the named transforms."""
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
"""The ten tasks of MT50 that a policy trained by ``mt50-state`` solved least often."""

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
        before=InitialPolicy(
            suite="metaworld/MT50",
            episodes=25,
            arms=("pretrained",),
            training=TrainConfig(steps=15_000, threads=1),
        ),
    ),
}
"""Recipes for comparisons of arms, by name."""
