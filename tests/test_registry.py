import contextlib
import re
import sys
from dataclasses import fields, is_dataclass
from math import inf, nan
from textwrap import dedent

import pytest

from robomtl import registry
from robomtl.catalogue import Registry
from robomtl.cli.main import main
from robomtl.envs.points import PointsSuite, points
from robomtl.errors import InputError, PlugInError
from robomtl.policy import POLICIES
from robomtl.suites import SUITES
from robomtl.training import TrainConfig


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """Installs distributions with plug-ins; returns a function that adds one."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(name, module, source, *, of="arms"):
        (tmp_path / f"{module}.py").write_text(dedent(source))
        info = tmp_path / f"{of}-1.0.dist-info"
        if not info.exists():
            info.mkdir()
            about = f"Metadata-Version: 2.1\nName: {of}\nVersion: 1.0\n"
            (info / "METADATA").write_text(about)
            (info / "entry_points.txt").write_text("[robomtl.envs]\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"{name} = {module}:make\n")

    yield add
    for module in [name for name in sys.modules if name.startswith("arms_")]:
        del sys.modules[module]


WORKING = """
    from robomtl.envs.points import points

    def make(variant, **options):
        return points(variant, **options)
"""
BROKEN = "import a_simulator_that_is_not_installed\n"


class Mine(PointsSuite):
    """A suite that is ready under a name without variants."""

    name = "mine"


@pytest.fixture
def suites():
    """A registry like SUITES that forgets at the end of the test."""
    return Registry("suite", "robomtl.envs", {"points": "robomtl.envs.points:points"})


@pytest.mark.parametrize("kind", [SUITES, POLICIES], ids=lambda kind: kind.group)
def test_every_name_loads(kind):
    for name in kind.names():
        assert callable(kind.get(name))


@pytest.mark.parametrize("name", POLICIES.names())
def test_every_policy_carries_its_config(name):
    assert POLICIES.get(name).Config()


def configs():
    """The settings that every objective, method and policy has by default."""
    kinds = (registry.OBJECTIVES, registry.METHODS, registry.LIFELONG)
    named = [kind.get(name) for kind in kinds for name in kind.names()]
    named += [POLICIES.get(name).Config for name in POLICIES.names()]
    return [*filter(is_dataclass, named), TrainConfig]


def test_no_setting_takes_infinity_or_a_number_that_is_negative_or_none():
    """The fault would be found only once the folder is begun, and names no setting."""
    taken = []
    for config in configs():
        for each in fields(config):
            default = each.default if each.init else None
            odd = {float: (nan, inf, -1.0), int: (-5,)}.get(type(default), ())
            for value in odd:
                with contextlib.suppress(InputError):
                    config(**{each.name: value})
                    taken.append((each.name, value))
    limits = ("clip", "max_grad_norm", "temperature")  # Which may be without end.
    assert {*taken} == {(name, inf) for name in limits}


def test_get_returns_what_is_imported_by_name():
    assert SUITES.get("points") is points


def test_suite_passes_variant_and_options_on():
    assert registry.suite("points/ML4", horizon=7) == PointsSuite(
        variant="ML4", horizon=7
    )


def test_an_unknown_name_suggests_the_nearest_and_lists_all():
    with pytest.raises(
        ValueError, match=r"suite 'pionts'\. Did you mean 'points'\?.*wo"
    ):
        registry.suite("pionts/MT4")
    with pytest.raises(ValueError, match=r"policy 'flim'\. Did you mean 'film'\?"):
        POLICIES.get("flim")


def test_register_adds_a_name(suites):
    suites.register("mine", points)
    assert suites.get("mine") is points
    assert suites.names() == ["mine", "points"]


def test_register_refuses_a_name_with_a_slash(suites):
    with pytest.raises(
        ValueError, match="suite 'arms/two' contains a slash, which is reserved"
    ):
        suites.register("arms/two", points)


@pytest.mark.parametrize("registered", [42, lambda: None, lambda variant: None])
def test_what_is_no_suite_is_refused_by_its_name(no_suites, registered):
    no_suites.register("mine", registered)
    with pytest.raises(
        PlugInError, match="suite 'mine' .*; expected a suite, or a func"
    ):
        registry.suite("mine")


class Partial:
    """Has some of the members of a suite."""

    name = "mine"
    train_tasks = ()
    options = None

    def make_env(self, task):
        return None


def test_a_suite_that_lacks_members_is_refused_with_their_names(no_suites):
    no_suites.register("mine", Partial())
    message = "which lacks held_out_tasks, goal, variations, make_expert; expected all"
    with pytest.raises(PlugInError, match=message):
        registry.suite("mine")


class OfNames(Mine):
    train_tasks = ("reach",)


def test_a_suite_whose_tasks_are_names_is_refused(no_suites):
    no_suites.register("mine", OfNames())
    with pytest.raises(
        PlugInError,
        match="whose tasks contain 'reach'; expected instances of robomtl.T",
    ):
        registry.suite("mine")


def test_a_ready_suite_is_found_under_its_own_name(no_suites):
    ready = Mine()
    no_suites.register("mine", ready)
    assert registry.suite("mine") is ready
    assert registry.suite("mine", **ready.options) is ready


def test_a_ready_suite_takes_no_other_variant_name_or_option(no_suites):
    no_suites.register("mine", Mine())
    no_suites.register("other", Mine())
    with pytest.raises(ValueError, match="no suite 'mine/MT4'.*has no variants"):
        registry.suite("mine/MT4")
    with pytest.raises(
        ValueError, match="no suite 'other'.* the suite 'mine' has no variants"
    ):
        registry.suite("other")
    with pytest.raises(
        ValueError, match="'mine' was registered as an object.*'horizon': 7"
    ):
        registry.suite("mine", horizon=7)


def test_register_refuses_a_taken_name(suites):
    with pytest.raises(ValueError, match="suite 'points' is already registered"):
        suites.register("points", points)


def test_a_plug_in_is_found_by_name_and_imported_only_then(distribution, suites):
    distribution("arms", "arms_working", WORKING)
    assert suites.names() == ["arms", "points"]
    assert "arms_working" not in sys.modules
    assert suites.get("arms")("ML4") == points("ML4")
    assert "arms_working" in sys.modules


def test_a_plug_in_name_cannot_be_taken(distribution, suites):
    distribution("arms", "arms_working", WORKING)
    with pytest.raises(ValueError, match="suite 'arms' is already registered"):
        suites.register("arms", points)


def test_two_plug_ins_of_one_name_are_refused_where_it_is_looked_up(
    distribution, suites
):
    distribution("points", "arms_thief", WORKING)
    distribution("legs", "arms_working", WORKING)
    distribution("legs", "arms_other", WORKING, of="limbs")
    distribution("fine", "arms_working", WORKING)
    with pytest.raises(
        InputError, match="'points' is registered by 2 distributions, robomtl and arms;"
    ):
        suites.get("points")
    with pytest.raises(
        InputError, match="'legs' is registered by 2.*(arms|limbs) and .*'rob"
    ):
        suites.get("legs")
    assert suites.get("fine")("ML4") == points("ML4")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BROKEN, "ModuleNotFoundError: No module named 'a_simulator_that_is_not_inst"),
        ("def make(:", "SyntaxError"),
        ("import sys; sys.exit()", "SystemExit"),
        ("made = 3", "AttributeError: module 'arms_broken' has no attribute 'make'"),
    ],
)
def test_a_broken_plug_in_is_named_with_its_error_and_spares_the_others(
    distribution, suites, source, reason
):
    distribution("broken", "arms_broken", source)
    distribution("arms", "arms_working", WORKING)
    assert suites.get("arms")("MT4") == points("MT4")
    assert suites.get("points") is points
    named = r"suite 'broken' of the distribution 'arms' \(arms_broken:make\) cannot be"
    with pytest.raises(PlugInError, match=rf"{named} imported: {reason}"):
        suites.get("broken")


def test_the_traceback_of_a_broken_plug_in_is_shown_on_request(
    distribution, monkeypatch, capsys
):
    distribution("broken", "arms_broken", BROKEN)
    assert main(["check", "broken"]) == 2
    said = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "ROBOMTL_TRACEBACK=1 shows the whole traceback." in said
    monkeypatch.setenv("ROBOMTL_TRACEBACK", "1")
    with pytest.raises(PlugInError) as raised:
        main(["check", "broken"])
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


def test_plug_ins_are_named_with_their_distribution(distribution, suites):
    distribution("arms", "arms_working", WORKING)
    distribution("points", "arms_thief", WORKING)
    suites.register("mine", points)
    assert suites.plugged_in() == {"arms": ("arms",), "points": ("robomtl", "arms")}
    assert suites.built_in() == ["mine"]


def test_list_shows_plug_ins_without_importing_them(distribution, capsys):
    distribution("good", "arms_working", WORKING)
    distribution("broken[/x]", "arms_broken", BROKEN)
    distribution("twice", "arms_working", WORKING)
    distribution("twice", "arms_working", WORKING, of="limbs")
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for name in ("good", "broken[/x]"):
        assert re.search(rf"{re.escape(name)} +from the distribution arms", shown)
    assert "points/MT4" in shown
    assert re.search("twice +refused: several distributions: (arms|limbs) and", shown)
    assert not {"arms_working", "arms_broken"} & set(sys.modules)


def test_a_name_of_a_suite_is_a_word():
    with pytest.raises(InputError, match="name is None; give a word"):
        registry.suite(None)


def test_what_is_installed_meanwhile_is_found_though_the_rest_is_remembered(
    distribution, suites
):
    assert suites.plugged_in() == {}
    distribution("arms", "arms_working", WORKING)
    assert suites.names() == ["arms", "points"]
    assert suites.plugged_in() == {"arms": ("arms",)}
