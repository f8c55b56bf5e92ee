"""Every policy trains, acts, adapts and is saved, with and without conditioning."""

import pytest
import torch
from families import Here

import robomtl
from robomtl import checkpoint
from robomtl.adaptation import Support
from robomtl.adaptation.adapting import configure
from robomtl.cli.main import main
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.errors import InputError
from robomtl.execution.compute import Compute
from robomtl.execution.serving import serve
from robomtl.policy import POLICIES, Spec

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/ML4", horizon=20)
TRAINED = [name for name in POLICIES.built_in() if POLICIES.get(name).trainable]
TRUNKS = [name for name in TRAINED if name not in ("in_context", "regent")]
DRAWING = ["diffusion", "flow", "octo", "rt1"]
"""Policies without a head that adaptation can solve for."""


def unconditioned(name):
    try:
        POLICIES.get(name).check(Spec(state=12, action=2, embedding=0, tasks=4))
    except ValueError:
        return False
    return True


UNTOLD = [name for name in TRAINED if unconditioned(name)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return collect(
        robomtl.suite("points/ML4"),
        folder,
        config=CollectionConfig(episodes=3),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def support(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("support")
    tasks = ["reach-ball"]
    new = collect(
        robomtl.suite("points/ML4"),
        folder,
        config=CollectionConfig(tasks=tasks, episodes=2),
        compute=Compute(workers=1),
    )
    return Support(demonstrations=new, prior=data)


def train(data, out, name, *, history=None, **settings):
    return robomtl.train(
        data,
        out=out,
        policy=name,
        policy_config={"width": 16},
        config=robomtl.TrainConfig(
            steps=2, batch_size=12, threads=1, validation=0.0, history=history
        ),
        **settings,
    )


def evaluate(agent, out, executor=None):
    results = robomtl.evaluate(
        agent,
        SUITE,
        out=out,
        config=robomtl.EvaluationConfig(episodes=1),
        compute=robomtl.Compute(executor=executor or Here()),
    )
    assert [record.error for record in results.records] == [None] * 4
    return results


def test_only_the_policy_with_a_head_for_each_task_needs_conditioning():
    assert set(TRAINED) - set(UNTOLD) == {"multi_head"}


@pytest.mark.parametrize("name", UNTOLD)
def test_a_policy_without_conditioning_trains_acts_and_is_stored(name, data, tmp_path):
    trained = train(data, tmp_path / "run", name, conditioning=("none",))
    assert trained.card.conditioning.kinds == ()
    assert trained.card.spec.embedding == 0
    again = train(data, tmp_path / "run", name, conditioning=())  # It is the same run.
    assert again.fingerprint == trained.fingerprint
    evaluate(robomtl.PolicyAgent(tmp_path / "run"), tmp_path / "evaluation")


def test_one_head_needs_no_conditioning(tmp_path):
    suite = robomtl.suite("points/ML4")
    (task, *_) = [each.name for each in suite.train_tasks]
    data = collect(
        suite,
        tmp_path / "data",
        config=CollectionConfig(tasks=[task], episodes=2),
        compute=Compute(workers=1),
    )
    trained = train(data, tmp_path / "run", "multi_head", conditioning=("none",))
    assert trained.card.spec.tasks == 1


@pytest.mark.slow
def test_a_policy_without_conditioning_is_served(data, tmp_path):
    train(data, tmp_path / "run", "film", conditioning=("none",))
    agent = robomtl.PolicyAgent(tmp_path / "run")
    alone = evaluate(agent, tmp_path / "alone")
    with serve(agent, device="cpu") as served:
        together = evaluate(served, tmp_path / "served")
    lengths = [[record.length for record in made.records] for made in (alone, together)]
    assert lengths[0] == lengths[1]


def test_none_is_a_conditioning_of_the_command_line(data, tmp_path):
    words = ["train", "--data", data.path, "--out", tmp_path / "run"]
    words += ["--steps", "1", "--batch-size", "4", "--architecture.width", "8"]
    main([str(word) for word in [*words, "--conditioning", "none"]])
    assert checkpoint.load(tmp_path / "run").card.conditioning.kinds == ()


@pytest.mark.parametrize("name", TRUNKS)
def test_two_conditionings_together_tell_any_policy(name, data, tmp_path):
    conditioning = ("one_hot", "goal")
    trained = train(data, tmp_path / "run", name, conditioning=conditioning)
    assert trained.card.spec.embedding == trained.card.conditioning.size
    assert trained.card.spec.tasks == 4


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return {name: train(data, folder / name, name) for name in TRUNKS}


UNFIT = {
    *(("alpaca", name) for name in [*DRAWING, "act", "rt2"]),
    *(("vinn", name) for name in ("act", "rt2")),
}
METHODS = [
    ("alpaca", {}),
    ("finetune", {"part": "last_layers"}),
    ("lora", {}),
    ("task_embedding", {}),
    ("vinn", {}),
]
"""Methods that train a part of the policy, or read its features."""


@pytest.mark.parametrize(
    ("method", "config", "name"),
    [(*each, n) for each in METHODS for n in TRUNKS if (each[0], n) not in UNFIT],
)
def test_methods_adapt_any_trunk(name, method, config, trained, support, tmp_path):
    budget = robomtl.Budget(steps=2, batch_size=8)
    made = robomtl.adapt(
        trained[name],
        support,
        method=configure(method, config),
        budget=budget,
        out=tmp_path / "made",
    )
    assert checkpoint.load(tmp_path / "made").fingerprint == made.fingerprint


@pytest.mark.parametrize(
    ("method", "name", "message"),
    [
        *(("alpaca", name, "has the head '.*'. Train one with") for name in DRAWING),
        ("alpaca", "act", "Act does not end in an ActionHead.*such as film or mlp"),
        (
            "vinn",
            "act",
            "'act' has no features .* derives from HeadPolicy, such as film",
        ),
    ],
)
def test_a_method_that_does_not_fit_a_head_names_what_does(
    method, name, message, trained, support
):
    with pytest.raises(InputError, match=message):
        robomtl.adapt(trained[name], support, method=method)


def test_inner_loops_refuse_a_policy_that_reads_sentences(data, tmp_path):
    with pytest.raises(InputError, match="which 'rt2' does not support; train another"):
        train(data, tmp_path, "rt2", objective="maml")
    with pytest.raises(
        InputError, match="'film' cannot be trained on texts; .* trains rt2"
    ):
        train(data, tmp_path, "film", objective="text_cotraining")


@pytest.mark.parametrize(
    ("objective", "name"),
    [
        *(("maml", name) for name in TRUNKS if POLICIES.get(name).vectorised),
        *(("context", name) for name in ("film", "octo", "rt2")),
    ],
)
def test_objectives_train_any_trunk(name, objective, data, tmp_path):
    history = (
        1 if objective == "context" else None
    )  # Its encoder reads one observation.
    config = {"tasks": 2, "shots": 1, "steps": 2}
    made = train(
        data,
        tmp_path / "run",
        name,
        objective=objective,
        objective_config=config,
        history=history,
    )
    weights = made.policy.state_dict().values()
    assert all(torch.isfinite(value).all() for value in weights)
