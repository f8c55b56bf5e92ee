"""Recipes for comparisons of adaptation methods."""

from dataclasses import replace

from robomtl.experiments.adapt.adaptation_run import AdaptationRecipe, Pretraining
from robomtl.experiments.adapt.method_design import AdaptRequest
from robomtl.training import TrainConfig
from robomtl.training.augmentation import Augmentation
from robomtl.training.from_pictures import CHUNK, PICTURES, from_pictures

_TRANSFER = AdaptRequest(
    methods={
        "scratch": "scratch",
        "zero_shot": "zero_shot",
        "replay": "replay",
        "nearest_neighbour": "nearest_neighbour",
        "vinn": "vinn",
        "finetune": "finetune",
        "cotrained": "finetune",
        "lora": "lora",
        "task_embedding": "task_embedding",
        "retrieval": "retrieval",
        "alpaca": "alpaca",
    },
    settings={"cotrained": {"cotraining": 0.5, "augmentation.translation": 0.2}},
    shots=(1, 5, 10),
    supports=1,
    retained=1,
)
_META = {
    **{name: name for name in ("maml", "anil", "meta_sgd", "mil", "reptile", "imaml")},
    **{name: name for name in ("context", "tecnet", "pearl_context", "neural_process")},
    "in_context": "in_context",
    "alpaca_trained": "alpaca",
}
_SMALL = {"width": 256}
_MOVED = Augmentation(translation=0.1)  # Makes arbitrarily many goals from 50.
_ANYWHERE = Augmentation(translation=0.2, rotation=20.0, approach=0.15)


def _meta(steps: int, batch_size: int = 256) -> Pretraining:
    training = TrainConfig(steps=steps, batch_size=batch_size, threads=1)
    return Pretraining(policy_config=_SMALL, training=training)


_IN_CONTEXT = AdaptRequest(
    methods={
        **{n: n for n in ("zero_shot", "nearest_neighbour", "vinn")},
        **{n: n for n in ("in_context", "regent")},
        "without_in_context": "zero_shot",
        "without_regent": "zero_shot",
    },
    policies={"without_in_context": "in_context", "without_regent": "regent"},
    shots=(1, 5),
    supports=1,
    probe=5,
)


def _prompted(*others: int) -> dict[str, Pretraining]:
    """Pretraining of demonstration-conditioned policies, and of cloning for comparison.

    Args:
        others: Components of the state, besides positions, by which ``regent`` compares
            steps.
    """
    training = TrainConfig(steps=2_500, precision="float32", threads=1)
    in_context = Pretraining(policy="in_context", conditioning=(), training=training)
    regent = replace(
        in_context,
        policy="regent",
        policy_config={"positions": (0, 18, 4, 11, 36), "others": others},
        training=replace(training, steps=2_000, batch_size=128),
    )
    return {"cloning": _meta(5_000), "in_context": in_context, "regent": regent}


ADAPTATIONS = {
    "ml10-transfer": AdaptationRecipe(
        line="ML10, visible goals: every method on 5 held-out families",
        suite="metaworld/ML10",
        options={"goals": "observable"},
        episodes=50,
        request=replace(
            _TRANSFER,
            methods={**_TRANSFER.methods, **_META},
            policies={"alpaca_trained": "alpaca"},
        ),
        pretraining={
            "cloning": _meta(10_000),
            "alpaca": _meta(1_500),
            "maml": _meta(600),
            "anil": _meta(1_000),
            "meta_sgd": _meta(500),
            "mil": _meta(1_000),
            "reptile": _meta(1_000),
            "imaml": _meta(150),
            "context": _meta(4_000),
            "tecnet": _meta(2_500),
            "pearl_context": _meta(4_000),
            "neural_process": _meta(4_000),
            "in_context": Pretraining(
                policy="in_context",
                training=TrainConfig(steps=2_500, precision="float32", threads=1),
            ),
        },
    ),
    "ml45-transfer": AdaptationRecipe(
        line="ML45, visible goals: transfer to 5 held-out families, 3 seeds",
        suite="metaworld/ML45",
        options={"goals": "observable"},
        episodes=50,
        request=replace(
            _TRANSFER,
            settings={
                "cotrained": {
                    "cotraining": 0.75,
                    "augmentation.translation": _ANYWHERE.translation,
                    "augmentation.rotation": _ANYWHERE.rotation,
                    "augmentation.approach": _ANYWHERE.approach,
                }
            },
        ),
        pretraining={
            "cloning": Pretraining(
                policy_config={"width": 512},
                training=TrainConfig(steps=15_000, augmentation=_ANYWHERE, threads=1),
            )
        },
        seeds=3,
    ),
    "ml45-pixels-transfer": AdaptationRecipe(
        line="ML45 from pictures of two cameras: transfer to 5 held-out families",
        suite="metaworld/ML45",
        options={"goals": "observable", **PICTURES.options},
        episodes=50,
        noise=0.5,
        request=AdaptRequest(
            methods={
                "scratch": "scratch",
                "zero_shot": "zero_shot",
                "finetune": "finetune",
                "cotrained": "finetune",
                "retrieval": "retrieval",
                "alpaca": "alpaca",
            },
            settings={"cotrained": {"cotraining": 0.5}},
            shots=(5,),
            supports=1,
        ),
        pretraining={
            "cloning": Pretraining(
                policy_config={"width": 512, "chunk": CHUNK},
                training=from_pictures(steps=40_000),
            )
        },
    ),
    "in-context-families": AdaptationRecipe(
        line="ML10, visible goals: in-context adaptation to held-out families",
        suite="metaworld/ML10",
        options={"goals": "observable"},
        episodes=40,
        noise=0.5,
        request=replace(_IN_CONTEXT, controls=("wrong_task", "shuffled_actions")),
        pretraining=_prompted(3),  # Component of the gripper.
    ),
    "in-context-goals": AdaptationRecipe(
        line="ML10, hidden goals: in-context adaptation to goals of held-out families",
        suite="metaworld/ML10",
        options={"goals": "hidden", "starts": "varied"},
        episodes=100,
        noise=0.5,
        request=replace(
            _IN_CONTEXT, controls=("wrong_task", "wrong_variation"), goals=5
        ),
        pretraining=_prompted(0, 1, 2, 3),  # Components of the hand and the gripper.
    ),
    "ml1-infer": AdaptationRecipe(
        line="Hidden goals of reach, push, pick-place and plate-slide, from demonstrations",
        suite="metaworld/custom",
        options={
            "goals": "hidden",
            "starts": "varied",
            "train_tasks": ["reach-v3", "push-v3", "pick-place-v3", "plate-slide-v3"],
        },
        episodes=500,
        request=AdaptRequest(
            methods={
                **{n: n for n in ("scratch", "zero_shot", "replay", "finetune")},
                **{n: n for n in ("context", "in_context")},
            },
            shots=(1, 5),
            supports=1,
            controls=("wrong_variation",),
            goals=25,
        ),
        pretraining={
            "cloning": _meta(5_000),
            "context": Pretraining(
                policy_config=_SMALL,
                training=TrainConfig(
                    steps=15_000, batch_size=512, augmentation=_MOVED, threads=1
                ),
            ),
            "in_context": Pretraining(
                policy="in_context",
                training=TrainConfig(
                    steps=6_000, precision="float32", augmentation=_MOVED, threads=1
                ),
            ),
        },
    ),
}
"""Recipes for comparisons of adaptation methods, by name."""
