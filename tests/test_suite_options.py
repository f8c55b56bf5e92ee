"""Options of a plug-in suite on the command line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from robomtl.cli.flags import TaskFlags
from robomtl.cli.main import main
from robomtl.cli.overrides import RunFlags, overridden, recipe_flags
from robomtl.cli.suite_options import options_from
from robomtl.envs.points import PointsSuite
from robomtl.errors import InputError
from robomtl.recipes import RECIPES
from robomtl.suites import suite

pytestmark = pytest.mark.usefixtures("forked_workers")

MADE = []


def arms(
    variant: str = "",
    *,
    joints: int = 7,
    speed: float | None = None,
    grip: Literal["soft", "hard"] = "soft",
    tools: str | Sequence[str] = (),
    gravity: bool = True,
    folder: Path | None = None,
    label: str = "",
    anything=None,
):
    """Arms that need no simulator."""
    given = {**locals()}
    MADE.append({name: it for name, it in given.items() if name != "variant"})
    return PointsSuite(variant="reach-red")


@dataclass(frozen=True, kw_only=True)
class HandConfig:
    """Options of hands."""

    fingers: int = 5
    skin: Literal["rubber", "steel"] = "rubber"

    def __post_init__(self):
        """Refuses hands without fingers."""
        if not self.fingers:
            raise ValueError("fingers is 0; give at least 1.")


def hands(variant: str = "", config: HandConfig | None = None):
    """Hands that need no simulator, whose options are fields of a dataclass."""
    MADE.append(config)
    return PointsSuite(variant="reach-red")


@pytest.fixture(autouse=True)
def known(no_suites):
    no_suites.register("arms", arms)
    no_suites.register("hands", hands)
    MADE.clear()


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("joints=6", 6),
        ("speed=0.5", 0.5),
        ("speed=2", 2.0),
        ("grip=hard", "hard"),
        ("tools=saw", "saw"),
        ("tools=saw,drill", ["saw", "drill"]),
        ("gravity=false", False),
        ("label=a=b, c", "a=b, c"),
        ("anything=x", "x"),
        ("joints=many", "many"),
        ("wings=2", "2"),
    ],
)
def test_a_word_becomes_a_value_of_the_declared_type(word, value):
    assert options_from("arms/big", [word]) == {word.partition("=")[0]: value}


def wrapped(variant: str, **options):
    return suite(variant.partition("/")[2], **options)


def test_options_of_a_wrapped_suite_have_its_types(no_suites, capsys):
    no_suites.register("wrapped", wrapped)
    assert options_from("wrapped/twice/arms", ["joints=6"]) == {"joints": 6}
    assert options_from("wrapped/twice/hands", ["fingers=4"]) == {"fingers": 4}
    assert options_from("wrapped/twice", ["joints=6"]) == {"joints": "6"}
    assert options_from("wrapped/twice/nosuch", ["joints=6"]) == {"joints": "6"}
    words = ["--suite-options", "joints=6"]
    assert main(["check", "wrapped/twice/arms", *words]) == 0
    assert MADE[0]["joints"] == 6
    assert main(["list", "wrapped/twice/arms"]) == 0
    assert re.search("joints +whole number", capsys.readouterr().out)


def test_a_plug_in_takes_its_own_options(capsys):
    words = ["joints=6", "grip=hard", "tools=saw,drill"]
    assert main(["check", "arms", "--suite-options", *words]) == 0
    assert MADE[0] | {"joints": 6, "grip": "hard", "tools": ["saw", "drill"]} == MADE[0]
    assert main(["list", "arms"]) == 0
    shown = capsys.readouterr().out
    assert re.search("joints +whole number", shown)
    assert re.search("grip +soft or hard", shown)
    assert re.search("tools +text or texts with commas between them", shown)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["joints=many"], "joints is 'many'; give a whole number"),
        (["grip=hart"], "Unknown grip 'hart'. Did you mean 'hard'"),
        (["joint=6"], "Suite 'arms': Unknown option 'joint'. Did you mean 'join"),
        (
            ["joints"],
            "--suite-options contains 'joints'; give NAME=VALUE, such as horiz",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused_in_a_sentence(words, message, capsys):
    assert main(["check", "arms", "--suite-options", *words]) == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", "").split())


def test_fields_of_a_config_are_options(capsys):
    suite("hands", fingers=3)
    suite("hands", config=HandConfig(skin="steel"), fingers=4)
    suite("hands")
    assert MADE == [HandConfig(fingers=3), HandConfig(fingers=4, skin="steel"), None]
    assert options_from("hands", ["fingers=3"]) == {"fingers": 3}
    assert main(["list", "hands"]) == 0
    assert {"fingers", "skin"} < {*capsys.readouterr().out.split()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fingers": "many"}, "fingers is 'many'; give a whole number"),
        ({"fingers": 0}, "fingers is 0; give at least 1"),
        ({"skin": "stel"}, "Unknown skin 'stel'. Did you mean 'steel'"),
        ({"finger": 3}, "Unknown option 'finger'. Did you mean 'fingers'"),
        ({"config": {}}, r"config is {}; give a HandConfig object"),
    ],
)
def test_options_that_a_config_does_not_take_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        suite("hands", **options)


def test_an_option_is_given_once():
    with pytest.raises(
        InputError, match="horizon is given twice, by a flag and in --su"
    ):
        TaskFlags(horizon=5, suite_options=("horizon=6",)).make("arms")


def test_options_that_have_no_flag_stay_with_a_recipe():
    comparison = next(it for it in RECIPES.values() if hasattr(it, "pretraining"))
    recipe = replace(comparison, suite="arms", options={"joints": 6, "horizon": 9})
    flags = recipe_flags(recipe, RunFlags(recipe="arms"), [])
    assert overridden(recipe, flags).options == recipe.options
