import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

import robomtl
from robomtl.acting.actor import Agent
from robomtl.adaptation import Budget
from robomtl.arguments import checked, typed
from robomtl.camera import Camera
from robomtl.conditioning import InstructionAugmentation
from robomtl.demonstrations import CollectionConfig, Demonstrations, collect
from robomtl.errors import InputError
from robomtl.evaluation import EvaluationConfig, ExpertAgent, film
from robomtl.execution.compute import Compute
from robomtl.experiments.evaluating import evaluate
from robomtl.gymnasium_factory import from_gymnasium
from robomtl.ranges import check_types
from robomtl.suites import suite
from robomtl.task import Suite
from robomtl.training import TrainConfig, train

Until = Literal["horizon", "success"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    steps: int = 3
    rate: float = 0.5
    on: bool = False
    shots: tuple[int, ...] = ()
    until: Until | None = None


@checked
def call(episodes: int, *, out: Path | str = "x", tasks: Sequence[str] | None = None):
    """Says what it was given."""
    return episodes, out, tasks


def test_numbers_of_numpy_and_torch_become_python_s_own_so_that_json_holds_them():
    settings = Settings(
        steps=torch.tensor(2),
        rate=np.float32(0.25),
        on=np.bool_(True),
        shots=(np.int32(1), 2),
    )
    check_types(settings)
    values = {each.name: getattr(settings, each.name) for each in fields(settings)}
    expected = {"steps": 2, "rate": 0.25, "on": True, "shots": [1, 2], "until": None}
    assert json.loads(json.dumps(values)) == expected
    assert call(np.int64(2), tasks=np.array(["a"])) == (2, "x", ["a"])
    assert call(np.array(2), tasks=(each for each in "ab")) == (2, "x", ["a", "b"])
    factors = [["trunk", np.float32(0.5)]]
    config = TrainConfig(learning_rate_factors=factors)
    assert json.dumps(config.learning_rate_factors) == '[["trunk", 0.5]]'


def test_what_fits_is_given_on_as_it_is():
    tasks = ("push", "reach")
    assert call(2, out=Path("y"), tasks=tasks)[2] is tasks
    assert call.__doc__ == "Says what it was given."
    check_types(Settings(rate=1, until="success"))


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (2.0, int, "it is 2.0; give a whole number."),
        (True, int, "it is True; give a whole number."),
        ("2", int | None, "it is '2'; give a whole number."),
        (None, int, "it is None; give a whole number."),
        ("0.1", float, "it is '0.1'; give a number."),
        (1, bool, "it is 1; give true or false."),
        (3, str, "it is 3; give a word."),
        (None, Path | str, "it is None; give a path."),
        (
            "sucess",
            Until,
            r"Unknown it 'sucess'. Did you mean 'success'\? Known: horizon",
        ),
        (3, Until | None, "it is 3; give 'horizon', 'success'."),
        (2.5, Until | int, "it is 2.5; give 'horizon', 'success' or a whole number."),
        ("push", Sequence[str], r"it is 'push'; give a list, such as \['push'\]."),
        (["push"], Mapping[str, str], r"it is \['push'\]; give a dictionary."),
        ((1, "2"), tuple[int, ...], "it is '2'; give a whole number."),
        (np.array([1.5]), Sequence[int], "it is 1.5; give a whole number."),
        ({"push"}, Sequence[str], r"it is {'push'}; give a list\."),
        (("trunk", "2"), tuple[str, float], "it is '2'; give a number."),
        ("", Path | str, "it is ''; give a path."),
        (3, Callable[[], None], "it is 3; give a function."),
        (lambda: 0, Agent, "which lacks name, fingerprint, check, load; give an Agent"),
        (ExpertAgent, Agent, "class .*ExpertAgent'>; give an Agent object"),
        (
            "points/MT4",
            Suite,
            r"it is 'points/MT4'; give a Suite object, as robomtl.suite\(NAME\) makes.",
        ),
        ("run", Agent | None, r"give an Agent object, such as .*PolicyAgent\(RUN\)."),
        (
            {"steps": 3},
            TrainConfig,
            r"it is {'steps': 3}; .* TrainConfig object, such as TrainConfig\(steps=3\).",
        ),
        ("x" * 99, int, "it is '" + "x" * 56 + r"\.\.\.; give a whole number."),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(value, kind, message):
    with pytest.raises(InputError, match=message):
        typed("it", value, kind)


PUBLIC = [
    public if public is not robomtl.Results else public.read
    for public in map(robomtl.__getattr__, robomtl.__all__)
    if public not in (robomtl.InputError, robomtl.ExpertAgent, robomtl.Outcome)
]


def wrongly_called():
    """Every public function and class, by argument."""
    for act in PUBLIC:
        for each in inspect.signature(act).parameters.values():
            if act is not robomtl.Task and each.kind is not each.VAR_KEYWORD:
                yield pytest.param(act, each.name, id=f"{act.__name__}-{each.name}")


@pytest.mark.parametrize("settings", filter(is_dataclass, PUBLIC))
def test_every_public_dataclass_answers_an_unknown_setting_by_those_it_has(settings):
    with pytest.raises(InputError, match=r"Unknown setting 'nonsense'\..* Known: \w"):
        settings(nonsense=1)


@pytest.mark.parametrize(("act", "name"), wrongly_called())
def test_every_public_name_refuses_a_value_of_another_type_by_the_argument_s_name(
    act, name
):
    required = [
        each.name
        for each in inspect.signature(act).parameters.values()
        if each.default is each.empty
    ]
    # Arguments are checked as they are given, fields of a dataclass in its order.
    first = required[:1] or [name] if is_dataclass(act) else [name]
    with pytest.raises(InputError, match=f"{first[0]} is b'bytes'; give"):
        act(**dict.fromkeys([name, *required], b"bytes"))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: TrainConfig(setps=3), "Unknown setting 'setps'. Did you mean 'steps'"),
        (
            lambda: TrainConfig(weight_decays=[("trunk",)]),
            r"weight_decays has \('trunk',\); give each part with its value",
        ),
        (lambda: Budget(step=3), "Unknown setting 'step'. Did you mean 'steps'"),
        (lambda: Camera(heigth=3), "Unknown setting 'heigth'. Did you mean 'height'"),
        (lambda: TrainConfig(weight_decay=float("nan")), "weight_decay is nan; give 0"),
        (lambda: TrainConfig(seed=2**64), f"seed is {2**64}; give at most {2**63 - 1}"),
        (
            lambda: TrainConfig(instruction_augmentation={"x": 1}),
            "give an InstructionAugmentation object",
        ),
        (
            lambda: InstructionAugmentation(noise=float("nan")),
            "noise is nan; give 0 or more",
        ),
        (
            lambda: from_gymnasium(
                "x", envs=["Pendulum-v1"], instructions={}, horizon=1
            ),
            r"envs is \['Pendulum-v1'\]; give a dictionary",
        ),
        (lambda: Budget(steps=2.5), "steps is 2.5; give a whole number"),
        (lambda: Camera(profile="nice"), "Unknown profile 'nice'"),
        (
            lambda: Demonstrations("d", beyond="scale"),
            "Unknown beyond 'scale'. Did you mean 'clip'",
        ),
        (
            lambda: EvaluationConfig(until="sucess"),
            "Unknown until 'sucess'. Did you mean 'success'",
        ),
        (
            lambda: EvaluationConfig(episods=3),
            "Unknown setting 'episods'. Did you mean 'episodes'",
        ),
        (
            lambda: EvaluationConfig(protocol="oficial"),
            "Unknown protocol 'oficial'. Did you mean 'official'",
        ),
        (lambda: Compute(workers=1.5), "workers is 1.5; give a whole number"),
        (
            lambda: film(ExpertAgent(), suite("points/MT4"), "x", trials="failure"),
            "Unknown trials 'failure'. Did you mean 'failures'",
        ),
        (
            lambda: CollectionConfig(seed=-1),
            "seed is -1; give 0 to",
        ),
    ],
)
def test_public_functions_and_settings_check_what_they_are_given(made, message):
    with pytest.raises(InputError, match=message):
        made()


def test_settings_that_moved_into_a_dataclass_are_taken_and_answered_by_the_present_call(
    capsys,
):
    @checked
    def play(
        *,
        out: str,
        config: EvaluationConfig | None = None,
        compute: Compute | None = None,
    ):
        return out, config, compute

    found = play(out="x", episodes=20, workers=1)
    assert found == ("x", EvaluationConfig(episodes=20), Compute(workers=1))
    present = "give config=EvaluationConfig(episodes=20), compute=Compute(workers=1)."
    assert (
        f"play takes these settings in a dataclass; {present}"
        in capsys.readouterr().err
    )


def test_settings_that_moved_are_checked_like_those_of_the_dataclass():
    points = suite("points/MT4")
    with pytest.raises(InputError, match="noise is 7; give a number from 0 to 1"):
        collect(points, "x", noise=7)
    present = r"give config=TrainConfig\(steps=3\)\."
    with pytest.raises(InputError, match=f"^train takes these settings.*; {present}$"):
        train(None, out="x", steps=3, config=TrainConfig())
    with pytest.raises(TypeError, match="episods"):
        evaluate(ExpertAgent(), points, out="x", episods=20)


def test_an_earlier_name_of_a_setting_is_taken_and_answered_by_the_present_one(capsys):
    assert TrainConfig(batch=7) == TrainConfig(batch_size=7)
    assert "The setting batch is now batch_size." in capsys.readouterr().err
