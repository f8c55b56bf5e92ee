import pytest
import torch

import robomtl
from robomtl.adaptation import Support, adapt, draw_support
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.meta.autoencoder import train_autoencoder
from robomtl.adaptation.meta.gradient import material_of
from robomtl.adaptation.methods.retrieval import Retrieval, RetrievedSampler, similarity
from robomtl.conditioning import InstructionAugmentation
from robomtl.conditioning.embeddings import embed
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.training import TrainConfig, train
from robomtl.training.frames import Frames, Resident, Spans

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = robomtl.suite("points/ML4")
TINY = {"width": 16, "blocks": 1}
CONFIG = TrainConfig(steps=2, batch_size=16, threads=1)
FEW = {"autoencoder_steps": 5, "steps": 3, "width": 16}


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    tasks = ["reach-red", "reach-blue", "reach-ball"]
    out = tmp_path_factory.mktemp("data")
    return collect(
        SUITE,
        out,
        config=CollectionConfig(episodes=6, tasks=tasks, seed=0),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def prior(demonstrations):
    return demonstrations.select(tasks=["reach-red", "reach-blue"])


@pytest.fixture(scope="module")
def trained(prior, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return train(prior, out=out, policy_config=TINY, config=CONFIG)


@pytest.fixture(scope="module")
def support(demonstrations, prior):
    drawn = draw_support(demonstrations, "reach-ball", shots=2, draw=0)
    return Support(demonstrations=drawn.demonstrations, prior=prior)


def generator():
    return torch.Generator().manual_seed(0)


def synthetic(tasks, count, seed):
    """Frames of tasks that act in one scene each by its own linear law."""
    draws = torch.Generator().manual_seed(seed)
    laws = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(5))
    task = torch.arange(tasks).repeat_interleave(count)
    state = torch.randn(len(task), 6, generator=draws)
    action = torch.einsum("fs,fsa->fa", state, laws[task]).tanh()
    one = torch.ones_like(task)
    return Frames(
        table=Resident(observation={"state": state}, action=action),
        episodes=Spans(
            start=one, length=one, task=task, source=0 * task, group=task
        ).together(),
        device=state.device,
    )


def test_similarity_is_minus_the_squared_distance_to_the_nearest():
    prior, support = torch.randn(40, 3), torch.randn(9, 3)
    expected = [-min((z - s).square().sum() for s in support) for z in prior]
    assert torch.allclose(similarity(prior, support), torch.stack(expected), atol=1e-5)


@pytest.mark.slow
def test_what_is_retrieved_is_of_the_related_task():
    prior, support = synthetic(4, 500, seed=1), synthetic(1, 400, seed=2)
    method = Retrieval(retrieved_fraction=0.05, latent=8)
    rows = method.retrieved(support, prior, generator())
    assert len(rows) == 100 == len(rows.unique())
    assert (prior.task[rows] == 0).float().mean() > 0.5  # By chance 0.25.


@pytest.mark.slow
def test_the_autoencoder_learns_and_is_the_same_for_the_same_generator():
    data = synthetic(1, 2000, seed=0)
    sizes = {"latent": 8, "width": 64}
    first, again, untrained = (
        train_autoencoder(
            data.state, data.action, steps=steps, generator=generator(), **sizes
        )
        for steps in (300, 300, 0)
    )
    assert first(data.state, data.action).equal(again(data.state, data.action))
    losses = [each.loss(data.state, data.action).mean() for each in (first, untrained)]
    assert losses[0] < 0.5 * losses[1]


def test_retrieved_steps_are_told_the_new_task(support, prior, trained):
    conditioning = trained.card.conditioning
    new, old = (
        material_of(
            trained.policy,
            given,
            conditioning,
            instruction_augmentation=InstructionAugmentation(noise=0.0, mixing=0.0),
        )
        for given in (support.demonstrations, prior)
    )
    rows = torch.tensor([3, 5, 8])
    sampler = RetrievedSampler(old, new, rows, seed=1)
    batch = sampler.batch(4, 40)
    assert (
        torch.cdist(batch.observation["state"], old.frames.state[rows]).amin(-1) < 1e-3
    ).all()
    words = embed(list(support.task.instructions))
    assert torch.cdist(batch.task_embedding, words).amin(1).max() < 1e-3
    again = sampler.batch(4, 40)
    assert all(a.equal(b) for a, b in zip(batch[1:], again[1:], strict=True))


def test_retrieval_takes_construction(trained, support):
    plain, moved = (
        adapt(trained, support, method=configure("retrieval", {**FEW, **settings}))
        for settings in ({}, {"augmentation.translation": 0.2})
    )
    assert plain.fingerprint != moved.fingerprint


def test_retrieval_without_a_prior_is_refused(trained, support):
    alone = Support(demonstrations=support.demonstrations)
    with pytest.raises(
        ValueError, match=r"give Support\(prior=...\), or choose the method finetune"
    ):
        adapt(trained, alone, method=configure("retrieval", FEW))


def test_a_prior_of_another_size_is_refused(trained, support, prior):
    wide = prior.acting(prior.state)
    given = Support(demonstrations=support.demonstrations, prior=wide)
    with pytest.raises(
        ValueError, match="action of length 2; the prior demonstrations have 12"
    ):
        adapt(trained, given, method=configure("retrieval", FEW))


def test_parts_out_of_range_are_refused(trained, support):
    for field, value in (
        ("retrieved_fraction", 0.0),
        ("retrieved_fraction", 1.5),
        ("support_fraction", 1.0),
    ):
        with pytest.raises(ValueError, match=f"{field} is {value}; give more than 0"):
            adapt(trained, support, method=configure("retrieval", {field: value}))
