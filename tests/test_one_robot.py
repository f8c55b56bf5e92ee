"""Adaptation of a policy of several robots to a known and to an unseen robot."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from prompts import draw_context
from test_embodiments import LONG, OWN, ROWS, SHORT, SPEC, acted, batch, build
from torch.nn import functional

import robomtl
from robomtl.adaptation import Support, adapt
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.method import Budget
from robomtl.adaptation.methods.in_context import Prompted
from robomtl.adaptation.one_robot import _candidates, _Like, _reduced, of_one_robot
from robomtl.checkpoint import Card, TrainedPolicy
from robomtl.conditioning import Conditioning
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.demonstrations.collect_missing import collect_parts, data_in
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.machine import Machine
from robomtl.experiments.adapt.method_design import AdaptRequest
from robomtl.experiments.adapt.method_experiment import compare_methods
from robomtl.features import vector_embodiment
from robomtl.files.request import plain

pytestmark = pytest.mark.usefixtures("forked_workers")

NAME = "joint/points/MT4+points/two_robots"
CONFIG = robomtl.TrainConfig(
    steps=3, batch_size=16, precision="float32", threads=1, device="cpu"
)
NEW = robomtl.suite("pseudo/flipped/points/reach-red", horizon=20)


def card(name: str, spec: object, config: object) -> Card:
    return Card(
        policy=name,
        config=plain(config),
        spec=spec,  # type: ignore[arg-type]
        conditioning=Conditioning(kinds=(), tasks=("a",)),
        suite="",
        suite_options={},
        step=0,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedPolicy:
    folder = tmp_path_factory.mktemp("several")
    short = {"points/MT4": {"horizon": 20}, "points/two_robots": {"horizon": 20}}
    suite = robomtl.suite(NAME, suites=short)
    collect_parts(
        suite, folder / "data", CollectionConfig(episodes=1), compute=Compute(workers=1)
    )
    return robomtl.train(
        data_in(folder / "data"),
        out=folder / "run",
        policy_config={"width": 24},
        config=CONFIG,
    )


@pytest.fixture(scope="module")
def support(tmp_path_factory: pytest.TempPathFactory) -> Support:
    folder = tmp_path_factory.mktemp("new")
    return Support(
        demonstrations=collect(
            NEW,
            folder / "a",
            config=CollectionConfig(episodes=1),
            compute=Compute(workers=1),
        )
    )


@pytest.mark.parametrize("robot", [0, 1, 2])
@pytest.mark.parametrize("loss", ["l1", "gaussian", "mixture"])
@pytest.mark.parametrize("name", ["film", "mlp", "soft_modularization"])
def test_a_policy_of_one_of_its_robots_acts_as_before(
    name: str, loss: str, robot: int
) -> None:
    spec = replace(SPEC, embedding=0, history=2)
    policy, given = build(name, spec, chunk=2, loss=loss), batch(chunk=2, history=2)
    whole = card(name, spec, policy.config)
    there = TrainedPolicy(policy=policy, card=whole, fingerprint="")
    own = SPEC.embodiments[robot]
    alone = replace(spec, state=0, action=0, embodiments=(own,))
    made = _reduced(there, replace(whole, spec=alone), _Like(robot, robot)).eval()
    given = given._replace(task_embedding=torch.zeros(ROWS, 0))
    rows = given.observation["embodiment"] == robot
    expected = acted(policy, given)[rows][..., : own.action.size]
    seen = {
        name: value[rows][..., : own.states.get(name, 3)]
        for name, value in given.observation.items()
        if name in own.observation
    }
    mine = given._replace(
        observation=seen, task_embedding=torch.zeros(int(rows.sum()), 0)
    )
    torch.testing.assert_close(acted(made, mine), expected)


@pytest.mark.parametrize("robot", [0, 1])
@pytest.mark.parametrize("name", ["in_context", "regent"])
def test_a_prompted_policy_of_one_of_its_robots_acts_as_before(
    name: str, robot: int
) -> None:
    spec = replace(SPEC, embodiments=(LONG, SHORT), embedding=0)
    policy, own = build(name, spec), spec.embodiments[robot]
    whole = card(name, spec, policy.config)
    there = TrainedPolicy(policy=policy, card=whole, fingerprint="")
    alone = replace(spec, state=0, action=0, embodiments=(own,))
    made = _reduced(there, replace(whole, spec=alone), _Like(robot, robot)).eval()
    context = draw_context(state=5, action=3)
    size, length = own.states["state"], own.action.size
    shown = context._replace(
        state=context.state[..., :size], action=context.action[..., :length]
    )
    padded = context._replace(
        state=functional.pad(shown.state, (0, 5 - size)),
        action=functional.pad(shown.action, (0, 3 - length)),
        robot=torch.full_like(context.robot, robot),
    )
    given = batch(chunk=1)._replace(task_embedding=torch.zeros(ROWS, 0))
    state = given.observation["state"]
    code = torch.full((ROWS,), robot)
    every = given._replace(observation={"state": state, "embodiment": code})
    mine = given._replace(
        observation={"state": state[:, :size]}, action=given.action[..., :length]
    )
    assert isinstance(policy, Prompted) and isinstance(made, Prompted)
    torch.testing.assert_close(
        made.prompted_loss(mine, shown).per_sample,
        policy.prompted_loss(every, padded).per_sample,
    )


@pytest.mark.parametrize("name", sorted(OWN | {"octo", "rt1", "transformer"}))
def test_other_policies_keep_what_no_robot_has_alone(name: str) -> None:
    spec = replace(SPEC, embodiments=(LONG, SHORT), embedding=0)
    policy = build(name, spec, chunk=2)
    there = TrainedPolicy(
        policy=policy, card=card(name, spec, policy.config), fingerprint=""
    )
    alone = replace(spec, state=0, action=0, embodiments=(SHORT,))
    made = _reduced(there, card(name, alone, policy.config), _Like(1, 1))
    old, new = policy.state_dict(), made.state_dict()
    trunk = [key for key in new if key.startswith("trunk")]
    assert trunk and all(torch.equal(old[key], new[key]) for key in trunk)


def test_a_robot_begins_as_those_that_observe_and_act_in_as_many_numbers() -> None:
    other = vector_embodiment(state=5, action=3, name="other")
    assert _candidates(SPEC, other) == [_Like(0, 0)]
    assert _candidates(SPEC, SHORT) == [_Like(1, 1)]
    odd = vector_embodiment(state=9, action=1, name="odd")
    assert _candidates(SPEC, odd) == [_Like(None, 1)]


def test_of_several_robots_that_fit_the_one_that_predicts_best_is_taken(
    trained: TrainedPolicy, support: Support
) -> None:
    names = [each.name for each in trained.card.spec.embodiments]
    assert names == ["points", "flyer", "point"]
    assert _candidates(trained.card.spec, support.demonstrations.embodiment) == [
        _Like(0, 0),
        _Like(2, 2),
    ]
    made, _ = of_one_robot(trained, support)
    assert [each.name for each in made.card.spec.embodiments] == ["flipped-points"]
    assert made.card.spec.action == 2 and trained.card.spec.actions == (2, 4, 2)
    slices = trained.card.spec.state_slices
    means = [trained.policy.normaliser.mean[slices[i]] for i in (0, 2)]
    assert any(made.policy.normaliser.mean.equal(mean) for mean in means)


@pytest.mark.parametrize("method", ["finetune", "lora", "task_embedding", "scratch"])
def test_methods_adapt_a_policy_of_several_robots_to_a_new_one(
    method: str, trained: TrainedPolicy, support: Support, tmp_path: Path
) -> None:
    chosen = configure(method, {"steps": 2})
    budget = Budget(batch_size=8, machine=Machine(precision="float32"))
    made = adapt(trained, support, method=chosen, budget=budget, out=tmp_path / "run")
    assert made.card.spec.action == 2
    agent = robomtl.PolicyAgent(tmp_path / "run")
    found = robomtl.evaluate(
        agent,
        NEW,
        out=tmp_path / "e",
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(workers=1),
    )
    assert not any(record.error for record in found.records)


def test_methods_are_compared_in_a_suite_of_a_robot_never_seen(
    trained: TrainedPolicy, support: Support, tmp_path: Path
) -> None:
    robomtl.checkpoint.save(tmp_path / "run", trained.policy, trained.card)
    request = AdaptRequest(
        methods={"finetune": "finetune", "scratch": "scratch"},
        settings={k: {"steps": 2} for k in ("finetune", "scratch")},
        shots=(1,),
        supports=1,
        trials=1,
        retained=1,
        batch_size=8,
    )
    found = compare_methods(
        tmp_path / "run", NEW, request, out=tmp_path / "out", compute=Compute(workers=1)
    )
    assert not any(each.reasons for each in found.methods.values())
    with pytest.raises(InputError, match="one robot at a time, but joint/.* joins"):
        compare_methods(
            tmp_path / "run", robomtl.suite(NAME), request, out=tmp_path / "joint"
        )
    seen = robomtl.suite("points/ML4")
    with pytest.raises(InputError, match="was trained on joint/.*, not on points/ML4"):
        compare_methods(tmp_path / "run", seen, request, out=tmp_path / "seen")
