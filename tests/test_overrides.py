import json
from dataclasses import replace

import pytest
import tyro
from test_recipes import SMALL, SMALL_COMPARISON

from robomtl.cli.main import main
from robomtl.cli.overrides import RunFlags, overridden, recipe_flags
from robomtl.files.request import plain
from robomtl.recipe_run import request_of, run
from robomtl.recipes import RECIPES

pytestmark = pytest.mark.usefixtures("forked_workers")


def changed(name, *words):
    """The recipe of a name as words of the command line change it."""
    recipe = RECIPES[name]
    default = recipe_flags(recipe, RunFlags(recipe=name), words)
    return overridden(recipe, tyro.cli(type(default), default=default, args=words))


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(RECIPES, "small", SMALL)
    monkeypatch.setitem(RECIPES, "compared", SMALL_COMPARISON)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_without_flags_a_recipe_is_as_it_was(name):
    assert plain(changed(name)) == plain(RECIPES[name])


def test_every_part_of_a_recipe_can_be_set():
    words = "--episodes 7 --trials 3 --training.steps 9 --architecture.width 64"
    words += " --new-task.shots 2 --multitask.arms alone wide=together"
    words += " --multitask.settings wide.policy_config.width=512"
    recipe = changed("quickstart", *words.split())
    assert (recipe.episodes, recipe.trials, recipe.training.steps) == (7, 3, 9)
    assert recipe.policy_config == {"loss": "mixture", "width": 64}
    assert recipe.new_task.shots == 2
    assert recipe.multitask.arms == {"alone": "alone", "wide": "together"}
    assert recipe.multitask.settings == {"wide": {"policy_config.width": 512}}


def test_another_architecture_brings_its_own_settings():
    recipe = changed("mt50-state", "--policy", "mlp", "--architecture.width", "32")
    assert (recipe.policy, recipe.policy_config) == ("mlp", {"width": 32})


def test_every_part_of_a_comparison_can_be_set():
    words = "--seeds 5 --supports 5 --methods scratch cotrained head=finetune --shots 1"
    words += " --settings cotrained.steps=9 --options.horizon 50"
    words += " --pretraining.cloning.training.steps 8"
    recipe = changed("ml45-transfer", *words.split())
    usual, request = RECIPES["ml45-transfer"], recipe.request
    assert (recipe.seeds, request.supports, request.shots) == (5, 5, (1,))
    assert request.methods["cotrained"] == request.methods["head"] == "finetune"
    kept = usual.request.settings["cotrained"]
    assert request.settings == {"cotrained": {**kept, "steps": 9}}
    assert recipe.options == {**usual.options, "horizon": 50}
    training = recipe.pretraining["cloning"].training
    assert training == replace(usual.pretraining["cloning"].training, steps=8)


def test_a_method_without_its_policies_is_refused_before_anything_begins(tmp_path):
    recipe = changed("compared", "--methods", "zero_shot", "maml")
    with pytest.raises(
        ValueError, match=r"maml requires policies trained with maml.*cloning"
    ):
        run(recipe, out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        ("mt50-state --training.stepz 9", "--training.steps"),
        ("ml45-transfer --suports 5", "--supports"),
        ("quickstart --new-task.shot 9", "--new-task.shots"),
    ],
)
def test_a_misspelt_flag_is_answered_with_the_nearest(words, nearest, capsys):
    with pytest.raises(SystemExit):
        main(["run", *words.split()])
    assert nearest in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["small --help", "--help small", "--seed 1 small -h", "--out=x small -h"]
)
def test_help_shows_the_flags_of_the_recipe(words, capsys):
    with pytest.raises(SystemExit):
        main(["run", *words.split()])
    shown = capsys.readouterr().out
    assert "A few steps on points" in shown and "--training.steps" in shown


def test_without_a_recipe_help_says_how_to_name_one(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "robomtl run RECIPE --help" in capsys.readouterr().out


def test_a_second_seed_is_refused_where_it_would_do_nothing(capsys):
    assert main(["run", "small", "--training.seed", "4"]) == 2
    assert "--seed 4 seeds all random numbers" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_changed_recipe_is_recorded_and_resumed_only_as_it_was(tmp_path, capsys):
    words = ["run", "small", "--out", str(tmp_path), "--workers", "1"]
    assert main([*words, "--training.steps", "3", "--instructions", "canonical"]) == 0
    assert json.loads((tmp_path / "run.json").read_text())["training"]["steps"] == 3
    assert (
        "training.steps is 10 in the recipe" in (tmp_path / "report.html").read_text()
    )
    before = (tmp_path / "policy.safetensors").stat()
    for flag, name in (("--trials", "trials"), ("--episodes", "episodes")):
        capsys.readouterr()
        assert main([*words, flag, "1"]) == 2
        assert f"{name} is" in capsys.readouterr().err
    assert (tmp_path / "policy.safetensors").stat() == before


def test_a_device_that_is_not_there_is_refused_and_claims_nothing(tmp_path, capsys):
    words = ["run", "small", "--device", "evil", "--out", str(tmp_path)]
    assert main(words) == 2
    assert "There is no device 'evil'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_recipe_that_is_refused_claims_nothing(tmp_path):
    with pytest.raises(ValueError, match="Did you mean 'MT4'"):
        run(replace(SMALL, suite="points/MT44"), out=tmp_path)
    assert not (tmp_path / "recipe.json").exists()


def test_what_a_folder_may_hold_more_of_is_no_part_of_the_request():
    more = replace(SMALL, instructions=("canonical",))
    assert request_of(more) == request_of(SMALL)
    assert request_of(replace(SMALL, trials=9)) != request_of(SMALL)
