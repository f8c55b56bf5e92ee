import subprocess
import sys
import textwrap
from dataclasses import asdict
from functools import partial
from importlib.metadata import version

import pytest
from gymnasium.envs.classic_control import PendulumEnv
from wobbling import python_path

import robomtl
from robomtl.definition import definition
from robomtl.envs import libero_environment, maniskill
from robomtl.envs.points import PointsSuite
from robomtl.evaluation import ExpertAgent
from robomtl.files.durable import write_json
from robomtl.files.request import DEFINITION, VERSIONS, refuse_other
from robomtl.simulators.environment import RECORD, Package, Record
from robomtl.task import definition_of
from robomtl.versions import installed_versions, versions_of_modules

MODULE = """
    GAIN = 3

    class Env:
        '''An env.'''

        def __init__(self, speed):
            self.speed = speed  # [m/s]

        def step(self, action):
            return helped(action * self.speed)

    def helped(action):
        return action * GAIN

    class Expert:
        def __init__(self, size):
            self.size = size

        def __call__(self, observation):
            return -observation * self.size

    added = (lambda: lambda observation: observation + 1)()
"""


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Returns a function that gives a name of the module after a change to its text."""
    folders = iter("abc")

    def find(name, old="", new=""):
        folder = tmp_path / next(folders)
        folder.mkdir()
        text = textwrap.dedent(MODULE)
        assert old in text
        (folder / "makers.py").write_text(text.replace(old, new))
        with monkeypatch.context() as context:
            context.syspath_prepend(folder)
            context.delitem(sys.modules, "makers", raising=False)
            return definition(eval(name, vars(__import__("makers"))))

    return find


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("Env", "action * self.speed", "action + self.speed"),
        ("Env", "action * GAIN", "action + GAIN"),
        ("Env", "GAIN = 3", "GAIN = 4"),
        ("added", "observation + 1", "observation + 2"),
        ("Expert(1)", "-observation", "observation"),
    ],
)
def test_what_a_maker_does_otherwise_is_seen(known, name, old, new):
    assert known(name) != known(name, old, new)


@pytest.mark.parametrize(("old", "new"), [("  # [m/s]", ""), ("An env.", "One.")])
def test_what_changes_nothing_is_not_seen(known, old, new):
    assert known("Env") == known("Env", old, new)


class Holding:
    def __init__(self, *held):
        self.held = held

    def __call__(self, observation):
        return observation


def test_arguments_and_what_an_object_holds_are_seen():
    assert definition(partial(Holding, 2)) != definition(partial(Holding, size=2))
    assert definition(partial(Holding, 2)).startswith(
        "test_definition.Holding(2) (code"
    )
    assert definition(Holding(1)) != definition(Holding(2))
    assert definition(Holding({"a"})) == definition(Holding({"a"}))
    assert "an object of test_definition.Holding with held=tuple" in definition(
        Holding(1)
    )
    assert definition(partial(max, Holding(1))) == definition(partial(max, Holding(1)))
    assert definition(Holding({Holding})) == definition(Holding({Holding}))


def expert(observation):
    return observation["state"][:1] if len({"a", "b"}) else None


class Swing(PendulumEnv):
    def step(self, action):
        *seen, _ = super().step(action)
        return *seen, {"success": True}


def suite(horizon=2):
    return robomtl.from_gymnasium(
        "swing",
        envs={"up": partial(Swing, g=9.8), "down": "Pendulum-v1"},
        instructions={"up": ["swing up"], "down": ["swing down"]},
        horizon=horizon,
        held_out=["down"],
        experts={"up": expert},
    )


def test_it_is_the_same_in_every_process():
    code = "from test_definition import suite; print(suite().definition)"
    environment = {"PYTHONPATH": python_path(), "PYTHONHASHSEED": "3"}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert said.stdout.strip() == str(suite().definition), said.stderr
    assert suite().definition["envs"]["down"].startswith("Pendulum-v1: gymnasium.envs")


def test_what_was_begun_in_another_suite_is_refused_naming_what_differs(tmp_path):
    for play in (
        lambda made: robomtl.evaluate(
            ExpertAgent(),
            made,
            out=tmp_path / "e",
            config=robomtl.EvaluationConfig(episodes=1),
            compute=robomtl.Compute(workers=1),
        ),
        lambda made: robomtl.collect(
            made,
            tmp_path / "d",
            config=robomtl.CollectionConfig(episodes=1),
            compute=robomtl.Compute(workers=1),
        ),
    ):
        play(suite())
        play(suite())
        with pytest.raises(
            ValueError, match="definition.horizon is 2 in the folder and 3 now"
        ):
            play(suite(3))


class Versioned(PointsSuite):
    version = 3


def test_other_suites_may_say_a_version():
    assert definition_of(Versioned()) == {DEFINITION: {"version": "3"}}
    assert definition_of(PointsSuite()) == {}


def test_what_was_begun_without_a_definition_goes_on(tmp_path):
    refuse_other(tmp_path, {"episodes": 3}, {"episodes": 3, **definition_of(suite())})


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("fetch/MT4", "gymnasium-robotics"),
        ("robosuite/MT4", "robosuite"),
        ("pusht", "pymunk"),
        ("libero/object", "mujoco"),
        ("maniskill/MT4", "mani-skill"),
    ],
)
def test_the_definition_of_a_suite_holds_versions_of_what_simulates_it(
    name, package, monkeypatch, tmp_path
):
    monkeypatch.setenv("ROBOMTL_SIMULATORS", str(tmp_path))
    for environment in (libero_environment.ENVIRONMENT, maniskill.ENVIRONMENT):
        record = Record(
            python="3.11.7",
            requirements=environment.requirements,
            packages=tuple(
                Package(name=each, version="2.3.7", hashes={})
                for each in ("mujoco", "mani-skill")
            ),
        )
        write_json(environment.folder / RECORD, asdict(record))
    served = name.startswith(("libero", "maniskill"))
    if not served and not installed_versions(package):
        pytest.skip(f"needs the package {package}")
    found = definition_of(robomtl.suite(name))[DEFINITION]
    expected = "2.3.7" if served else version(package)
    assert found[VERSIONS][package] == expected


def test_a_request_without_versions_is_compared_without_them(tmp_path):
    before = {DEFINITION: {"horizon": 5}}
    now = {DEFINITION: {"horizon": 5, VERSIONS: {"pymunk": "7.0"}}}
    refuse_other(tmp_path, before, now)
    with pytest.raises(ValueError, match="pymunk is '6.0' in the folder and '7.0' now"):
        refuse_other(tmp_path, {DEFINITION: {VERSIONS: {"pymunk": "6.0"}}}, now)


def test_the_versions_of_modules_are_those_of_their_distributions():
    found = versions_of_modules(["einops.layers", "math", "robomtl.suites", "__main__"])
    assert found == {"einops": version("einops")}
