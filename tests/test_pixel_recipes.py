from dataclasses import replace

import pytest
from families import Here

from robomtl import checkpoint
from robomtl.envs.mujoco_opengl import find_backend
from robomtl.execution.compute import Compute
from robomtl.layers.vision import Vision
from robomtl.pictures import Pictures
from robomtl.recipe_run import run
from robomtl.recipes import RECIPES, Recipe

pytestmark = pytest.mark.slow


def test_a_recipe_of_pictures_trains_and_acts_without_the_state(tmp_path):
    try:
        find_backend()
    except ImportError as error:
        pytest.skip(str(error))
    usual = RECIPES["mt10-pixels"]
    assert isinstance(usual, Recipe)
    training = replace(
        usual.training, steps=4, batch_size=8, vision=Vision(encoder="strided")
    )
    small = replace(
        usual,
        suite="metaworld/MT1/reach-v3",
        episodes=2,
        trials=1,
        pictures=Pictures(cameras=("corner2-zoom",), size=32),
        training=training,
    )

    results = run(small, out=tmp_path, compute=Compute(executor=Here())).results[
        "canonical"
    ]

    spec = checkpoint.load(tmp_path).card.spec
    assert spec.states == {"proprioception": 4}
    assert {name: it.shape for name, it in spec.images.items()} == {
        "image.corner2-zoom": (32, 32, 3)
    }
    assert len(results.records) == 1
    options = results.setting.options
    assert (options["cameras"], options["size"]) == (["corner2-zoom"], 32)
