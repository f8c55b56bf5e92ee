"""A policy that cannot read what a suite shows is refused before anything is collected."""

from dataclasses import replace

import pytest

import robomtl
from robomtl.cli.main import main
from robomtl.envs.mujoco_opengl import find_backend
from robomtl.errors import InputError
from robomtl.layers.vision import Vision
from robomtl.recipe_run import run
from robomtl.recipes import RECIPES
from robomtl.training.before_collecting import check_observable

SUITE = robomtl.suite("points/MT4", images=32)
USUAL = robomtl.TrainConfig()
VIT = Vision(encoder="vit")


def check(observe=("top",), **changes):
    usual = {"policy": "film", "conditioning": ("language",), "config": USUAL}
    check_observable(SUITE, observe=observe, **{**usual, **changes})


def test_a_policy_that_fits_passes():
    check()
    check(observe=None, conditioning=("goal",))  # It reads the state.
    check(observe=("top", "state"), conditioning=("goal", "goal_image"))
    check(config=replace(USUAL, features=("top",)), observe=("top", "state"))
    check(policy="multi_head", conditioning=("none",), demonstration=8)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"conditioning": ("goal",)}, "reads the goal from 'state'; features are top"),
        ({"conditioning": ("goal_image",), "observe": None}, "needs images, and the"),
        ({"conditioning": ("none",), "policy": "multi_head"}, "no conditioning to sel"),
        ({"policy": "in_context"}, "in_context reads one observation"),
        ({"observe": ("tip",)}, "'tip'. Did you mean 'top'"),
        ({"config": replace(USUAL, vision=VIT)}, "cannot read 'top'.* vision.patch 4"),
        ({"config": replace(USUAL, vision=VIT), "observe": None}, "no images are obs"),
        (
            {
                "config": replace(
                    USUAL,
                    vision=Vision(
                        encoder="efficientnet_lite0", weights="a.safetensors"
                    ),
                )
            },
            "a.safetensors",
        ),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        check(**given)


def test_train_refuses_it_before_it_collects(tmp_path, capsys):
    words = "train --suite points/MT4 --images 32 --observe top --vision.encoder vit"
    assert main([*words.split(), "--out", str(tmp_path / "run")])
    said = capsys.readouterr()
    assert "cannot read 'top'" in said.out + said.err
    assert "Collecting" not in said.out + said.err
    assert not (tmp_path / "run").exists()


def test_a_recipe_refuses_it_before_it_collects(tmp_path):
    try:
        find_backend()
    except ImportError as error:
        pytest.skip(str(error))
    recipe = replace(RECIPES["mt10-pixels"], conditioning=("goal",))
    with pytest.raises(InputError, match="features are image.corner2-zoom"):
        run(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run" / "demonstrations").exists()


@pytest.mark.parametrize("command", ["multitask", "lifelong"])
def test_an_experiment_refuses_it_before_it_collects(command, tmp_path, capsys):
    words = f"{command} points/MT4 --settings every.training.vision.encoder=vit"
    assert main([*words.split(), "--out", str(tmp_path / "run")])
    said = capsys.readouterr()
    assert "no images are observed" in " ".join((said.out + said.err).split())
    assert "Collecting" not in said.out + said.err
    assert not (tmp_path / "run").exists()


def test_a_comparison_of_methods_refuses_it_before_it_collects(tmp_path):
    recipe = RECIPES["ml10-transfer"]
    blind = replace(recipe.pretraining["cloning"], conditioning=("goal_image",))
    refused = replace(recipe, pretraining={**recipe.pretraining, "cloning": blind})
    with pytest.raises(InputError, match="goal image needs images"):
        run(refused, out=tmp_path / "run")
    assert not (tmp_path / "run" / "demonstrations").exists()
