"""Training and adaptation create tensors on their own device only."""

from concurrent.futures import Future
from functools import partial

import pytest
import torch
from elsewhere import ELSEWHERE, elsewhere
from few_shot import collected, supported

import robomtl
from robomtl import checkpoint
from robomtl.adaptation import Budget
from robomtl.adaptation.adapting import _placed, configure
from robomtl.adaptation.method import METHODS
from robomtl.execution.machine import Machine
from robomtl.training import prefetching
from robomtl.training.augmentation import Augmentation
from robomtl.training.balancing import Aggregation, Weighting
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.excess import ExcessWeighing
from robomtl.training.learner import learner_for
from robomtl.training.loop import take_steps
from robomtl.training.material import materials, spec_for
from robomtl.training.objective import OBJECTIVES
from robomtl.training.prefetching import prefetched
from robomtl.training.scored import Scored

pytestmark = pytest.mark.usefixtures("forked_workers")

WITH_GENERATORS = (
    "robomtl.training.samples",
    "robomtl.training.augmenting",
    "robomtl.adaptation.methods.retrieval",
)
MACHINE = Machine(device=str(ELSEWHERE), precision="float32")
CONSTRUCTED = Augmentation(
    translation=0.1, rotation=10.0, mirror=0.5, masking=0.2, relabelling=0.2
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return collected(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def support(data, tmp_path_factory):
    return supported(tmp_path_factory.mktemp("support"), data)


def policy_of(data, objective):
    """A policy to be trained, and its card."""
    own = getattr(OBJECTIVES.get(objective), "architecture", "film")
    few = {"imaml": {"steps": 2, "solver_steps": 2}}
    aligned = {"target": str(data.path)} if objective in ("coral", "dann") else {}
    settings = few.get(objective, {}) | aligned
    made = checkpoint.configure_objective(objective, settings)
    conditioning = conditioning_for(data, ("language",), made)
    sizes = {
        "film": {"blocks": 1, "task_width": 8},
        "in_context": {"blocks": 1},
        "regent": {"blocks": 1},
    }
    card = checkpoint.Card(
        policy=own,
        config={"width": 16, **sizes[own]},
        spec=spec_for(data, conditioning),
        conditioning=conditioning,
        suite=data.suite,
        suite_options=dict(data.suite_options),
        step=0,
        objective=objective,
        objective_config=settings,
    )
    return checkpoint.build(card), card, made


class Inline:
    """Runs at once what a thread would run: the other device is one of a thread."""

    def __init__(self, *_, **__):
        pass

    def submit(self, function, *given):
        done = Future()
        done.set_result(function(*given))
        return done

    def shutdown(self, **_):
        pass


@pytest.fixture
def learn(data, tmp_path, monkeypatch):
    monkeypatch.setattr(prefetching, "ThreadPoolExecutor", Inline)
    return partial(_learn, data, tmp_path)


def _learn(data, folder, objective="cloning", **settings):
    """Takes two steps, saves, restores and validates, on the other device."""
    policy, card, made = policy_of(data, objective)
    config = robomtl.TrainConfig(
        steps=2,
        batch_size=24,
        validation=0.5,
        device=MACHINE.device,
        precision=MACHINE.precision,
        **{"prefetch": "on", **settings},
    )
    with elsewhere(*WITH_GENERATORS):
        policy = policy.to(MACHINE.device)
        learner = learner_for(policy, config, made, card.conditioning.tasks)
        conditioning = card.conditioning
        training, held_out = materials(data, conditioning, config, chunk=policy.chunk)
        policy.fit_blocks(training.observations(0))
        with prefetched(made.draws(training, config), learner, config) as draws:
            take_steps(learner, draws, config, seed=0)
        for batch in made.validation(held_out):
            made.loss(policy, batch)
        learner.save(folder / "state.safetensors")
        learner.restore(folder / "state.safetensors")
        assert policy.device == ELSEWHERE
        assert learner.averaged()["normaliser.mean"].device == ELSEWHERE


# ``text_cotraining`` embeds sentences on the CPU.
@pytest.mark.parametrize("name", sorted({*OBJECTIVES.built_in()} - {"text_cotraining"}))
def test_every_objective_trains_on_any_device(name, learn):
    learn(name)


@pytest.mark.parametrize("name", ["cloning", "maml", "context"])
def test_tasks_are_constructed_on_any_device(name, learn):
    learn(name, augmentation=CONSTRUCTED)


@pytest.mark.parametrize("name", Weighting.__args__)
def test_every_weighting_computes_on_any_device(name, learn):
    learn(weighting=name)


@pytest.mark.parametrize("name", Aggregation.__args__)
def test_every_aggregation_computes_on_any_device(name, learn):
    learn(aggregation=name)


def test_a_mixture_is_learned_on_any_device(data):
    policy, card, made = policy_of(data, "cloning")
    config = robomtl.TrainConfig(
        steps=2, batch_size=24, device=MACHINE.device, precision=MACHINE.precision
    )
    tasks = card.conditioning.tasks
    with elsewhere(*WITH_GENERATORS):
        policy = policy.to(MACHINE.device)
        material, _ = materials(data, card.conditioning, config, chunk=policy.chunk)
        draws = made.draws(material, config).by_group()
        reference = Scored(policy, made, torch.float32)
        combiner = ExcessWeighing(draws, reference, config.remix, tasks=len(tasks))
        learner = learner_for(policy, config, made, tasks, combiner=combiner)
        take_steps(learner, draws, config, seed=0)
        assert combiner.state()["sum"].sum() == pytest.approx(2)


@pytest.mark.parametrize("kind", ["joined", "module"])
def test_every_learner_and_its_groups_compute_on_any_device(kind, learn):
    learn(learner=kind, learning_rate_factors=(("trunk", 0.0), ("head", 0.5)))


@pytest.mark.parametrize("name", METHODS.built_in())
def test_every_method_adapts_on_any_device(name, data, support):
    policy, card, _ = policy_of(data, METHODS.get(name).objective or "cloning")
    trained = checkpoint.packed(policy, card)
    few = {"retrieval": {"autoencoder_steps": 2, "width": 8}}
    method = configure(name, few.get(name, {}))
    budget = Budget(steps=2, batch_size=8, machine=MACHINE)
    with elsewhere(*WITH_GENERATORS):
        there = _placed(trained, ELSEWHERE)
        adapted = method.adapt(there, support, budget, torch.Generator())
        adapted.policy.to("cpu")
        assert adapted.policy.device.type == "cpu"
    assert trained.policy.device.type == "cpu"


def test_the_other_device_refuses_what_a_real_one_would():
    here = torch.ones(2, 2)
    with elsewhere():
        there = here.to(ELSEWHERE)
        assert (there @ there).device == ELSEWHERE
        with pytest.raises(RuntimeError, match="tensors on cpu and mps"):
            here @ there
        with pytest.raises(RuntimeError, match="a generator on cpu"):
            torch.rand(2, device=ELSEWHERE, generator=torch.Generator())
        with pytest.raises(TypeError, match="no numpy"):
            there.numpy()
