import time

import pytest
import torch
from hidden_goals import errors
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional

import robomtl
from robomtl.adaptation import Support, draw_support
from robomtl.adaptation.meta.encoding import PooledEncoder
from robomtl.adaptation.meta.inferring import conditioned_on, withheld
from robomtl.adaptation.meta.variational import divergence_from_normal
from robomtl.adaptation.methods.context import ContextTraining
from robomtl.adaptation.methods.tecnet import TecnetTraining, margin_loss, sentence
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.policy import Batch, Context
from robomtl.suites import suite
from robomtl.training import TrainConfig, train
from robomtl.training.data_conditioning import conditioning_for
from robomtl.training.episodic import EpisodicSampler
from robomtl.training.material import materials

pytestmark = pytest.mark.usefixtures("forked_workers")

POOLINGS = ("mean", "attention")
TINY = {"policy": "mlp", "policy_config": {"width": 64, "layers": 2, "task_width": 32}}
SMALL = {"size": 8, "width": 32, "shots": 3, "steps": 8, "tasks": 4}
CONFIG = TrainConfig(
    steps=30, batch_size=64, threads=1, ema_decay=0.98, precision="float32"
)
OBJECTIVES = {"context": ContextTraining, "tecnet": TecnetTraining}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "points"
    return collect(
        suite("points/ML4"),
        folder,
        config=CollectionConfig(episodes=12),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return {
        name: train(
            data,
            out=tmp_path_factory.mktemp("runs") / name,
            conditioning=(),
            objective=name,
            objective_config=SMALL,
            config=CONFIG,
            **TINY,
        )
        for name in OBJECTIVES
    }


def draw_context(tasks=3, shots=4, time=5):
    generator = torch.Generator().manual_seed(0)
    return Context(
        state=torch.randn(tasks, shots, time, 6, generator=generator),
        action=torch.randn(tasks, shots, time, 2, generator=generator),
        progress=torch.linspace(0, 1, time).expand(tasks, shots, time),
        mask=torch.tensor([[1.0, 1.0, 0.0, 0.0]]).repeat(tasks, 1),
        robot=torch.zeros(tasks, shots, dtype=torch.long),
    )


def encoder_of(pooling):
    torch.manual_seed(0)
    return PooledEncoder(9, 16, 5, pooling)


def problems(data, objective, **settings):
    conditioning = conditioning_for(data, ("language",), objective)
    material, _ = materials(data, conditioning, CONFIG, chunk=1)
    return EpisodicSampler(material, tasks=4, shots=3, steps=8, seed=0, **settings)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_demonstrations_changes_nothing(pooling):
    encoder, context = encoder_of(pooling), draw_context()
    order = [1, 3, 0, 2]
    permuted = Context(*(part[:, order] for part in context))
    torch.testing.assert_close(encoder(permuted), encoder(context))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_masked_demonstrations_change_nothing(pooling):
    encoder, context = encoder_of(pooling), draw_context()
    there = Context(*(part[:, :2] for part in context))
    torch.testing.assert_close(encoder(context), encoder(there))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_another_demonstration_changes_the_vector(pooling):
    encoder, context = encoder_of(pooling), draw_context()
    more = context._replace(mask=torch.ones(3, 4))
    assert not torch.allclose(encoder(more), encoder(context), atol=1e-3)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_no_demonstration_is_a_vector_of_zeros(pooling):
    context = draw_context()
    empty = context._replace(mask=torch.zeros_like(context.mask))
    vector = encoder_of(pooling)(empty)
    assert torch.equal(vector, torch.zeros(3, 5))


def test_each_demonstration_is_seen_by_itself():
    encoder, context = encoder_of("mean"), draw_context()
    each = encoder.encode_separately(context)
    for shot in range(4):
        alone = Context(*(part[:, [shot]] for part in context))
        alone = alone._replace(mask=torch.ones(3, 1))
        torch.testing.assert_close(each[:, shot], encoder(alone))


def test_a_batch_is_told_what_was_inferred_of_each_task_and_nothing_else():
    task_embedding = torch.arange(24.0).reshape(4, 6)
    zeros = torch.zeros(4, 1, 2)
    batch = Batch({}, zeros, zeros[..., 0], task_embedding, torch.tensor([0, 0, 1, 1]))
    inferred = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    after = conditioned_on(batch, slice(3, 5), inferred).task_embedding
    assert after[:, 3:5].tolist() == [[-1, -2], [-1, -2], [-3, -4], [-3, -4]]
    assert torch.equal(after[:, [0, 1, 2, 5]], task_embedding[:, [0, 1, 2, 5]])


def test_all_demonstrations_of_a_task_are_withheld_together():
    context = draw_context(tasks=2000)
    torch.manual_seed(0)
    kept = withheld(context, 0.25).mask
    assert 0.2 < (kept.sum(1) == 0).float().mean() < 0.3
    assert set(kept.sum(1).tolist()) == {0.0, 2.0}
    assert torch.equal(withheld(context, 0.0).mask, context.mask)


def test_the_divergence_is_that_of_the_library():
    mean, log_std = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    posterior = Independent(Normal(mean, log_std.exp()), 1)
    prior = Independent(Normal(torch.zeros(5, 3), torch.ones(5, 3)), 1)
    torch.testing.assert_close(
        divergence_from_normal(mean, log_std), kl_divergence(posterior, prior)
    )


def test_a_sentence_is_the_normalised_mean_of_normalised_embeddings():
    embeddings = torch.tensor([[[3.0, 0.0], [0.0, 0.5], [9.0, 9.0]]])
    (made,) = sentence(embeddings, torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(made, torch.tensor([1.0, 1.0]) / 2**0.5)


def test_the_margin_loss_is_the_paper_s_computed_by_hand():
    generator = torch.Generator().manual_seed(0)
    query = functional.normalize(torch.randn(3, 2, 4, generator=generator), dim=-1)
    sentences = functional.normalize(torch.randn(3, 4, generator=generator), dim=-1)
    for i in range(3):
        terms = [
            max(0.0, 0.1 - float(q @ sentences[i]) + float(q @ sentences[j]))
            for q in query[i]
            for j in range(3)
            if j != i
        ]
        by_hand = torch.tensor(sum(terms) / len(terms))
        torch.testing.assert_close(margin_loss(query, sentences, 0.1)[i], by_hand)


def test_the_margin_loss_is_zero_where_tasks_are_apart():
    sentences = torch.eye(3)
    assert margin_loss(sentences[:, None], sentences, 0.1).sum() == 0
    wrong = sentences.roll(1, 0)[:, None]
    # One of the two other sentences is the query itself, the other as far as its own.
    torch.testing.assert_close(
        margin_loss(wrong, sentences, 0.1), torch.full((3,), (1.1 + 0.1) / 2)
    )


def test_whole_queries_are_of_the_query_s_episodes(data):
    sampler = problems(data, ContextTraining(), others=2)
    batch = sampler.batch(0, 512)
    starts = batch.others.state[:, :, 0]  # A scene's first state is its own.
    supports = batch.context.state[:, :, 0]
    for task in range(4):
        shown = {tuple(row) for row in supports[task].tolist()}
        assert not shown & {tuple(row) for row in starts[task].tolist()}
        targets = starts[task][:, 4:]  # Of the scene; only the point and the ball move.
        seen = batch.query.observation["state"][128 * task : 128 * (task + 1), 4:]
        assert all((seen == target).all(1).any() for target in targets)


def test_tecnet_adds_its_three_losses_by_their_weights(data, trained):
    policy = trained["tecnet"].policy
    batch = problems(data, TecnetTraining(size=8), others=2).batch(0, 64)
    place = slice(0, 8)
    task_embedding = torch.zeros(64, 8)
    batch = batch._replace(
        inferred_slice=place,
        support=batch.support._replace(task_embedding=task_embedding),
        query=batch.query._replace(task_embedding=task_embedding),
    )

    def loss(**weights):
        given = {"embedding_weight": 0, "support_weight": 0, "query_weight": 0}
        objective = TecnetTraining(**{**SMALL, **given, **weights})
        return objective.loss(policy, batch).per_sample

    together = loss(embedding_weight=1.0, support_weight=0.1, query_weight=0.2)
    parts = loss(embedding_weight=1) + 0.1 * loss(support_weight=1)
    torch.testing.assert_close(together, parts + 0.2 * loss(query_weight=1))
    sentences = TecnetTraining(**SMALL).infer(policy, batch.context)
    direct = policy.loss(conditioned_on(batch.query, place, sentences)).per_sample
    torch.testing.assert_close(loss(query_weight=1), direct)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_demonstrations_tell_a_goal_that_no_state_shows(name):
    right, wrong, nothing = errors(
        OBJECTIVES[name](**{**SMALL, "tasks": 32}),
        name=name,
        policy="mlp",
        policy_config={"width": 64, "layers": 2, "task_width": 32},
        steps=150,
    )
    assert right < 0.6 * nothing
    assert wrong > 0.9 * nothing


@pytest.mark.parametrize("name", OBJECTIVES)
def test_adapting_takes_no_gradient_and_no_time(name, trained, data):
    support = draw_support(data, data.tasks[0], shots=5, draw=0)
    begun = time.process_time()
    adapted = robomtl.adapt(trained[name], support, method=name)
    assert time.process_time() - begun < 1
    assert trained[name].card.conditioning.inferred == {}
    assert len(adapted.card.conditioning.inferred[data.tasks[0]]) == 8


@pytest.mark.parametrize("name", OBJECTIVES)
def test_more_demonstrations_than_in_training_may_come(name, trained, data):
    support = Support(demonstrations=data.select(tasks=[data.tasks[0]]))
    assert support.shots > SMALL["shots"]
    robomtl.adapt(trained[name], support, method=name)


@pytest.mark.parametrize("settings", [{"bottleneck": 0.01}, {"pooling": "attention"}])
def test_an_option_of_the_encoder_trains(settings, data, tmp_path):
    made = train(
        data,
        out=tmp_path,
        objective="context",
        objective_config={**SMALL, **settings},
        config=TrainConfig(steps=5, batch_size=32, threads=1, validation=0.25),
        **TINY,
    )
    support = draw_support(data, data.tasks[0], shots=2, draw=0)
    adapted = robomtl.adapt(made, support, method="context")
    assert len(adapted.card.conditioning.inferred[data.tasks[0]]) == 8


def test_held_out_problems_are_the_same_at_every_call(data):
    objective = ContextTraining(**SMALL)
    conditioning = conditioning_for(data, ("language",), objective)
    config = TrainConfig(validation=0.25)
    _, held_out = materials(data, conditioning, config, chunk=1)
    first, again = (list(objective.validation(held_out)) for _ in range(2))
    assert len(first) == len(again) > 0
    assert torch.equal(first[0].query.action, again[0].query.action)
    _, few = materials(data, conditioning, TrainConfig(validation=0.1), chunk=1)
    assert list(objective.validation(few)) == []


@pytest.mark.parametrize(
    ("objective", "settings", "message"),
    [
        (ContextTraining, {"size": 0}, "size is 0; give at least 1"),
        (ContextTraining, {"withhold": 1.0}, r"withhold is 1.0; give 0 to below 1"),
        (ContextTraining, {"bottleneck": -1.0}, r"bottleneck is -1.0; give 0 or more"),
        (ContextTraining, {"pooling": "men"}, "Did you mean 'mean'"),
        (
            ContextTraining,
            {"pooling": "attention", "width": 6},
            "width is 6; attention pooling needs a multiple of 4",
        ),
        (TecnetTraining, {"tasks": 1}, "tasks is 1; the margin loss needs"),
        (TecnetTraining, {"margin": -0.1}, "margin is -0.1; give 0 or more"),
    ],
)
def test_impossible_settings_are_refused(objective, settings, message):
    with pytest.raises(ValueError, match=message):
        objective(**settings)
