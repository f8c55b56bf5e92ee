"""Conformance of all built-in adaptation methods and objectives."""

import pytest
import torch
from families import Here
from few_shot import NEW, SUITE, collected, supported

import robomtl
from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.adaptation import Budget, adapt
from robomtl.adaptation.adapting import adapt_by, configure
from robomtl.adaptation.method import METHODS
from robomtl.training.joined_learner import JoinedLearner
from robomtl.training.material import materials
from robomtl.training.objective import OBJECTIVES

pytestmark = pytest.mark.usefixtures("forked_workers")

FEW = Budget(steps=3, batch_size=16)
SETTINGS = {"retrieval": {"autoencoder_steps": 3, "width": 16}}
RANDOM = {"anil", "finetune", "imaml", "lora", "maml", "meta_sgd", "mil", "reptile"} | {
    "retrieval",
    "scratch",
    "task_embedding",
}
"""Methods that draw; the others are the same under any seed."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collected(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def support(data, tmp_path_factory):
    return supported(tmp_path_factory.mktemp("support"), data)


def learn(data, out, objective, **config):
    """A tiny policy, trained for two steps."""
    own = getattr(OBJECTIVES.get(objective), "architecture", "mlp")
    sizes = {
        "mlp": {"layers": 1, "task_width": 8},
        "in_context": {"blocks": 1},
        "regent": {"blocks": 1},
        "rt2": {"blocks": 1},
    }
    config = {"steps": 2, "batch_size": 24, "threads": 1, "validation": 0.5, **config}
    return robomtl.train(
        data,
        out=out,
        policy=own,
        policy_config={"width": 16, **sizes[own]},
        objective=objective,
        objective_config=settings_of(objective, data.path),
        config=robomtl.TrainConfig(**config),
    )


def settings_of(objective, folder):
    """Settings that an objective needs beside its defaults."""
    if objective in ("coral", "dann"):
        return {"target": str(folder)}
    if objective != "text_cotraining":
        return {}
    (folder / "texts.txt").write_text("The drawer is open.\n")
    return {"text": str(folder / "texts.txt")}


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A policy of each objective."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: learn(data, folder / name, name) for name in OBJECTIVES.built_in()}


def policy_for(method, trained):
    return trained[METHODS.get(method).objective or "cloning"]


def state_of(policy):
    return {name: value.clone() for name, value in policy.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


def acted(trained, support):
    """A policy's actions in the states of a support, conditioned on its task."""
    state = torch.from_numpy(support.demonstrations.state[:16])
    conditioning = trained.card.conditioning
    task_info = TaskInfo(support.name, support.task.instruction)
    fixed = conditioning.fixed([task_info] * len(state))
    embedding = conditioning.embedding(fixed, state)
    return trained.policy.act({"state": state}, embedding, None)[0]


@pytest.mark.parametrize("name", METHODS.built_in())
def test_every_method_leaves_the_policy_and_says_what_it_took(name, trained, support):
    given = policy_for(name, trained)
    before, card = state_of(given.policy), given.card
    method = configure(name, SETTINGS.get(name, {}))
    made, cost = adapt_by(method, given, support, FEW, 0)
    assert equal(before, state_of(given.policy)) and given.card == card
    assert made.card.spec.action == card.spec.action
    assert cost.steps == (FEW.steps if method.steps else 0)
    assert cost.samples == cost.steps * FEW.batch_size
    assert cost.seconds >= 0
    if method.steps:
        assert cost.parameters > 0
        assert cost.parameters <= sum(
            value.numel() for value in made.policy.state_dict().values()
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS.built_in())
def test_every_method_does_the_same_under_the_same_seed(name, trained, support):
    given, config = policy_for(name, trained), SETTINGS.get(name, {})
    first, again, other = (
        adapt(given, support, method=configure(name, config), budget=FEW, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.fingerprint == again.fingerprint
    assert (first.fingerprint != other.fingerprint) == (name in RANDOM)


@pytest.mark.parametrize("name", METHODS.built_in())
def test_what_every_method_makes_acts_alike_when_it_is_loaded(
    name, trained, support, tmp_path
):
    given, config = policy_for(name, trained), SETTINGS.get(name, {})
    out = tmp_path / "made"
    made = adapt(given, support, method=configure(name, config), budget=FEW, out=out)
    loaded = checkpoint.load(out)
    assert loaded.fingerprint == made.fingerprint
    assert acted(loaded, support).equal(acted(made, support))
    results = robomtl.evaluate(
        robomtl.PolicyAgent(out),
        SUITE,
        out=tmp_path / "evaluation",
        config=robomtl.EvaluationConfig(tasks=[NEW], episodes=2),
        compute=robomtl.Compute(executor=Here()),
    )
    assert [record.error for record in results.records] == [None, None]


@pytest.mark.parametrize(
    "name", [name for name in METHODS.built_in() if METHODS.get(name).objective]
)
def test_every_method_refuses_a_policy_without_its_training(name, trained, support):
    needed = METHODS.get(name).objective
    with pytest.raises(ValueError, match=f"objective {needed}; .* with cloning"):
        adapt(trained["cloning"], support, method=name)


@pytest.mark.parametrize("name", METHODS.built_in())
def test_every_method_names_an_objective_that_there_is(name):
    method = METHODS.get(name)
    assert method.objective is None or method.objective in OBJECTIVES.built_in()
    assert method().steps >= 0


@pytest.mark.parametrize("name", OBJECTIVES.built_in())
def test_every_objective_has_a_loss_for_each_entry_of_its_batch(name, trained, data):
    made = trained[name]
    card, config = made.card, robomtl.TrainConfig(validation=0.5)
    objective = checkpoint.configure_objective(card.objective, card.objective_config)
    assert card.conditioning.demonstration == objective.demonstration
    parts = materials(data, card.conditioning, config, chunk=made.policy.chunk)
    drawn = objective.draws(parts[0], config).batch(0, 24)
    held_out = list(objective.validation(parts[1]))
    assert held_out
    for batch in (drawn, held_out[0]):
        loss = objective.loss(made.policy, batch)
        assert loss.per_sample.shape == batch.task.shape
        assert loss.per_sample.isfinite().all()
        assert all(value.numel() == 1 for value in loss.metrics.values())
    config = robomtl.TrainConfig(validation=0.0)
    _, nothing = materials(data, card.conditioning, config, chunk=made.policy.chunk)
    assert list(objective.validation(nothing)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES.built_in())
def test_every_objective_goes_on_where_it_was_stopped(
    name, trained, data, tmp_path, monkeypatch
):
    update = JoinedLearner.update

    def once(learner, batch):
        if learner.step == 1:
            raise KeyboardInterrupt
        return update(learner, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(JoinedLearner, "update", once)
        learn(data, tmp_path, name, save_every=1)
    assert (tmp_path / "training.safetensors").exists()
    resumed = learn(data, tmp_path, name, save_every=1)
    assert resumed.fingerprint == trained[name].fingerprint
