"""Named, complete experiments: data, policy, training and evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from robomtl.conditioning import InstructionAugmentation, Kind
from robomtl.evaluation.video import VideoSelection
from robomtl.experiments.adapt.adaptation_run import AdaptationRecipe
from robomtl.experiments.adapt.comparisons import ADAPTATIONS
from robomtl.experiments.beyond.beyond_experiment import BEYOND_RECIPES, BeyondRecipe
from robomtl.experiments.multitask import MultitaskRequest
from robomtl.experiments.multitask.arm_recipe_run import ArmRecipe
from robomtl.experiments.multitask.arm_recipes import ARM_RECIPES
from robomtl.nearest import check_known
from robomtl.new_task import NewTask
from robomtl.pictures import Pictures
from robomtl.training import TrainConfig
from robomtl.training.from_pictures import CHUNK, PICTURES, from_pictures


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Settings of a recipe that are flags of the command line."""

    suite: str
    """Suite of the demonstrations and of the evaluation."""
    episodes: int
    """Demonstrations per task."""
    noise: float = 0.5
    """Largest standard deviation of the noise on the experts' actions; see ``collect``."""
    policy: str = "film"
    """Architecture."""
    conditioning: tuple[Kind, ...] = ("language",)
    """Conditioning of the policy."""
    training: TrainConfig = field(default_factory=TrainConfig)
    """Settings of behaviour cloning."""
    trials: int = 50
    """Trials per task in each evaluation."""
    until: Literal["horizon", "success"] = "horizon"
    """Whether a trial ends at its horizon or at its first success."""
    instructions: tuple[str, ...] = ("canonical",)
    """Kinds of wording to evaluate; results of the first are written to the run directory
    itself."""
    videos: VideoSelection | None = None
    """Trials of the first evaluation to film, if pictures can be rendered: examples (a
    failure and a success), failures, all, or a number per task."""


@dataclass(frozen=True, kw_only=True)
class Recipe(Experiment):
    """Complete settings of an experiment with one policy."""

    line: str
    """Description in one line."""
    pictures: Pictures | None = None
    """Pictures that the policy observes, with proprioception, in place of the state; None
    for the state."""
    policy_config: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the architecture's config that differ from the defaults."""
    new_task: NewTask | None = None
    """Task to which the policy is adapted at the end; None for none."""
    multitask: MultitaskRequest | None = None
    """Comparison of multi-task with single-task training at the end; None for none."""


AnyRecipe = Recipe | AdaptationRecipe | ArmRecipe | BeyondRecipe

RECIPES: dict[str, AnyRecipe] = {
    "quickstart": Recipe(
        line="MT10 in minutes: language-conditioned, 25 demonstrations per task",
        suite="metaworld/MT10",
        episodes=25,
        policy_config={"loss": "mixture"},
        training=TrainConfig(steps=4_000),
        trials=20,
        until="success",
        videos="examples",
        new_task=NewTask(suite="metaworld/MT50", task="door-lock-v3"),
        multitask=MultitaskRequest(
            arms={"together": "together", "alone": "alone"},
            demonstrations=(2,),
            trials=10,
            steps=300,
            affinity=0,
        ),
    ),
    "mt10-state": Recipe(
        line="MT10 from state: 50 demonstrations per task, without noise",
        suite="metaworld/MT10",
        episodes=50,
        noise=0.0,
        training=TrainConfig(
            steps=20_000,
            instruction_augmentation=InstructionAugmentation(mixing=1.0, noise=1.0),
        ),
    ),
    "mt50-state": Recipe(
        line="MT50 from state: 50 demonstrations per task, also in unseen wordings",
        suite="metaworld/MT50",
        episodes=50,
        policy_config={"width": 512},
        training=TrainConfig(
            steps=30_000, instruction_augmentation=InstructionAugmentation(swap=0.1)
        ),
        instructions=("canonical", "held-out"),
    ),
    "mt10-pixels": Recipe(
        line="MT10 from pictures of two cameras: 50 demonstrations per task",
        suite="metaworld/MT10",
        episodes=50,
        until="success",
        pictures=PICTURES,
        policy_config={"chunk": CHUNK},
        training=from_pictures(steps=8_000),
    ),
    "mt50-pixels": Recipe(
        line="MT50 from pictures of two cameras, also in unseen wordings",
        suite="metaworld/MT50",
        episodes=50,
        until="success",
        pictures=PICTURES,
        policy_config={"chunk": CHUNK, "width": 512},
        training=from_pictures(steps=20_000, swap=0.1),
        trials=10,
        instructions=("canonical", "held-out"),
    ),
    "libero": Recipe(
        line="LIBERO-Object from state: 30 scripted demonstrations per task",
        suite="libero/object",
        episodes=30,
        noise=0.3,
        until="success",
        training=TrainConfig(steps=10_000),
    ),
    "mt50-state-10demos": Recipe(
        line="MT50 from state: 10 demonstrations per task",
        suite="metaworld/MT50",
        episodes=10,
        training=TrainConfig(steps=20_000),
    ),
    "robosuite": Recipe(
        line="robosuite's Lift, Stack, Door and PickPlaceCan: 160 demonstrations per task",
        suite="robosuite/MT4",
        episodes=160,
        noise=0.3,
        policy_config={"width": 256},
        training=TrainConfig(steps=20_000),
        trials=100,
        until="success",
    ),
    "maniskill": Recipe(
        line="ManiSkill: one policy picks, stacks, pushes and pulls cubes",
        suite="maniskill/MT4",
        episodes=160,
        noise=0.3,
        policy_config={"width": 256},
        training=TrainConfig(steps=20_000, batch_size=128),
        until="success",
    ),
    "fetch": Recipe(
        line="Fetch from state: one policy for reach, push, slide, and pick and place",
        suite="fetch/MT4",
        episodes=400,
        noise=0.2,
        training=TrainConfig(steps=40_000),
        trials=100,
    ),
    "pusht": Recipe(
        line="PushT from state: 1,000 demonstrations of the scripted expert",
        suite="pusht",
        episodes=1_000,
        noise=0.05,
        policy_config={"chunk": 8, "loss": "mixture"},
        training=TrainConfig(steps=20_000, execute=4),
        trials=100,
    ),
    **ADAPTATIONS,
    **ARM_RECIPES,
    **BEYOND_RECIPES,
}
"""Recipes by name: each trains and evaluates a policy, or compares methods or arms."""


def named_recipe(name: str) -> AnyRecipe:
    """The recipe of this name.

    Raises:
        InputError: If there is none; the message names the nearest.
    """
    check_known("recipe", name, RECIPES)
    return RECIPES[name]
