import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.adaptation import adapt
from robomtl.adaptation.meta.encoding import steps_of
from robomtl.adaptation.meta.inferring import support_context
from robomtl.adaptation.meta.variational import Gaussian, divergence, standard
from robomtl.adaptation.methods.neural_process import NeuralProcessTraining
from robomtl.adaptation.methods.pearl_context import PearlContextTraining, product
from robomtl.adaptation.support import Support
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.suites import suite
from robomtl.training.config import TrainConfig
from robomtl.training.episodic import EpisodicSampler
from robomtl.training.material import materials
from robomtl.training.train_run import train

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = suite("points/ML4")
HELD_OUT = SUITE.held_out_tasks[0].name
TINY = {"width": 16, "blocks": 1, "task_width": 8}
OBJECTIVES = {
    "pearl_context": PearlContextTraining,
    "neural_process": NeuralProcessTraining,
}


def factors(seed=0):
    torch.manual_seed(seed)
    mean, variance = torch.randn(2, 6, 3), torch.rand(2, 6, 3) + 0.1
    return mean, variance, torch.ones(2, 6)


def test_the_product_of_two_gaussians_is_that_of_their_densities():
    mean, variance, _ = factors()
    mean, variance = mean[:1, :2], variance[:1, :2]
    made = product(mean, variance, torch.ones(1, 2))
    grid = torch.linspace(-10, 10, 4001)
    for z in range(3):
        normals = [Normal(mean[0, n, z], variance[0, n, z].sqrt()) for n in (0, 1)]
        density = sum(normal.log_prob(grid) for normal in normals).exp()
        density = density / density.sum()
        first = (density * grid).sum()
        second = (density * (grid - first) ** 2).sum()
        assert made.mean[0, z].item() == pytest.approx(first.item(), abs=1e-4)
        assert made.variance[0, z].item() == pytest.approx(second.item(), abs=1e-4)


def test_the_product_does_not_depend_on_the_order_of_its_factors():
    mean, variance, mask = factors()
    mask[0, 2] = 0
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    made = product(mean, variance, mask)
    again = product(mean[:, order], variance[:, order], mask[:, order])
    torch.testing.assert_close(made, again)


def test_masked_factors_change_nothing():
    mean, variance, mask = factors()
    mask[:, 4:] = 0
    other = mean.clone()
    other[:, 4:] = 100.0
    assert torch.equal(
        product(mean, variance, mask).mean, product(other, variance, mask).mean
    )
    few = product(mean[:, :4], variance[:, :4], mask[:, :4])
    torch.testing.assert_close(product(mean, variance, mask), few)


def test_the_divergence_is_torch_s():
    torch.manual_seed(0)
    first, second = (Gaussian(torch.randn(4, 3), torch.rand(4, 3) + 0.1) for _ in "ab")
    expected = kl_divergence(
        Normal(first.mean, first.variance.sqrt()),
        Normal(second.mean, second.variance.sqrt()),
    ).sum(1)
    torch.testing.assert_close(divergence(first, second), expected)
    assert torch.equal(divergence(standard(first), standard(first)), torch.zeros(4))


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrations")
    return collect(
        SUITE,
        folder / "train",
        config=CollectionConfig(episodes=6),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module")
def support(tmp_path_factory):
    folder = tmp_path_factory.mktemp("support")
    return collect(
        SUITE,
        folder / "s",
        config=CollectionConfig(tasks=[HELD_OUT], episodes=3),
        compute=Compute(workers=1),
    )


@pytest.fixture(scope="module", params=list(OBJECTIVES))
def trained(request, demonstrations, tmp_path_factory):
    return train(
        demonstrations,
        out=tmp_path_factory.mktemp(request.param),
        policy_config=TINY,
        conditioning=("language", "goal"),
        objective=request.param,
        objective_config={"size": 4, "width": 16, "tasks": 3},
        config=TrainConfig(steps=20, batch_size=48, threads=1, validation=0.4),
    )


@pytest.fixture(scope="module")
def posed(trained, demonstrations):
    card = trained.card
    config = TrainConfig(validation=0.4)
    material, _ = materials(demonstrations, card.conditioning, config, chunk=1)
    sampler = EpisodicSampler(material, tasks=3, shots=3, steps=4, seed=0)
    return sampler.batch(0, 24)


def objective_of(trained):
    card = trained.card
    return checkpoint.configure_objective(card.objective, card.objective_config)


def test_what_is_inferred_stands_in_its_place_and_survives_saving(
    trained, support, tmp_path
):
    adapted = adapt(
        trained, support, method=trained.card.objective, out=tmp_path / "run"
    )
    context = support_context(Support(demonstrations=support), 16, torch.device("cpu"))
    expected = objective_of(trained).infer(trained.policy, context)[0]
    loaded = checkpoint.load(tmp_path / "run")
    conditioning = loaded.card.conditioning
    fixed = conditioning.fixed([TaskInfo(HELD_OUT, None), TaskInfo("another", None)])
    place = conditioning.slice_of("demonstration")
    torch.testing.assert_close(fixed[0, place], expected)
    assert not fixed[1, place].any()
    assert trained.card.conditioning.inferred == {}
    assert loaded.fingerprint == adapted.fingerprint


def test_shots_that_are_masked_change_nothing(trained, posed):
    context = posed.context
    mask = torch.ones_like(context.mask)
    mask[:, 1:] = 0
    some = context._replace(mask=mask)
    other = some._replace(state=some.state.clone(), action=some.action.clone())
    other.state[:, 1:], other.action[:, 1:] = 7.0, 0.5
    infer = objective_of(trained).believed
    first, second = infer(trained.policy, some), infer(trained.policy, other)
    torch.testing.assert_close(first, second)
    alone = some._replace(
        state=some.state[:, :1],
        action=some.action[:, :1],
        progress=some.progress[:, :1],
        mask=mask[:, :1],
        robot=some.robot[:, :1],
    )
    torch.testing.assert_close(infer(trained.policy, alone), first)


def test_the_order_of_demonstrations_does_not_matter(trained, support):
    infer = objective_of(trained).believed
    pair = [
        infer(
            trained.policy,
            support_context(
                Support(demonstrations=support.take(order)), 8, torch.device("cpu")
            ),
        )
        for order in ([0, 1, 2], [2, 0, 1])
    ]
    torch.testing.assert_close(*pair)


def test_the_loss_is_the_policy_s_told_a_draw_and_the_divergence(trained, posed):
    objective, policy = objective_of(trained), trained.policy
    query, context = posed.query, posed.context
    if trained.card.objective == "pearl_context":
        mean, spread = policy.meta(steps_of(policy, context).features).chunk(2, -1)
        variance = torch.nn.functional.softplus(spread) + 1e-6
        mask = context.mask.repeat_interleave(4, 1)[..., None]
        precision = (mask / variance).sum(1)
        drawn = Gaussian((mask * mean / variance).sum(1) / precision, 1 / precision)
        prior = standard(drawn)
    else:
        prior = objective.believed(policy, context)
        state = policy.normaliser(query.observation["state"]).reshape(3, 8, -1)
        target = torch.cat([state, query.action.reshape(3, 8, -1)], -1)
        seen = steps_of(policy, context)
        drawn = []
        for task in range(3):
            there = seen.features[task][seen.mask[task] == 1][:, :-1]
            both = policy.meta.steps(torch.cat([there, target[task]])).mean(0)
            mean, spread = policy.meta.belief(both).chunk(2)
            drawn.append((mean, (0.1 + 0.9 * spread.sigmoid()) ** 2))
        drawn = Gaussian(*(torch.stack(each) for each in zip(*drawn, strict=True)))
    torch.manual_seed(3)
    loss = objective.loss(policy, posed)
    torch.manual_seed(3)
    rows = torch.arange(3).repeat_interleave(8)
    noise = torch.randn(24, 4)
    z = drawn.mean[rows] + drawn.variance[rows].sqrt() * noise
    task_embedding = query.task_embedding.clone()
    task_embedding[:, posed.inferred_slice] = z
    alone = policy.loss(query._replace(task_embedding=task_embedding)).per_sample
    nats = kl_divergence(
        Normal(drawn.mean, drawn.variance.sqrt()),
        Normal(prior.mean, prior.variance.sqrt()),
    ).sum(1)
    expected = alone + objective.beta * nats[rows] / (8 * 2)
    torch.testing.assert_close(loss.per_sample, expected)


def test_training_reaches_the_encoder_and_validates(trained, demonstrations):
    fresh = checkpoint.build(trained.card).meta.state_dict()
    moved = trained.policy.meta.state_dict()
    assert all(not torch.equal(moved[name], fresh[name]) for name in fresh)
    objective = objective_of(trained)
    config = TrainConfig(validation=0.4)
    conditioning = trained.card.conditioning
    _, validation = materials(demonstrations, conditioning, config, chunk=1)
    assert list(objective.validation(validation))
    _, nothing = materials(
        demonstrations, conditioning, TrainConfig(validation=0.0), chunk=1
    )
    assert not list(objective.validation(nothing))
    _, single = materials(
        demonstrations, conditioning, TrainConfig(validation=0.2), chunk=1
    )
    assert not list(objective.validation(single))


def test_what_is_not_finite_is_reported(trained, support):
    broken = checkpoint.packed(checkpoint.build(trained.card), trained.card)
    next(broken.policy.meta.parameters()).data.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="inferred task vector is not finite"):
        adapt(broken, support, method=trained.card.objective)


@pytest.mark.parametrize("objective", OBJECTIVES.values())
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size is 0; give at least 1"),
        ({"width": 0}, "width is 0; give at least 1"),
        ({"beta": -1.0}, "beta is -1.0; give 0 or more"),
        ({"tasks": 0}, "tasks is 0; give at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(objective, settings, message):
    with pytest.raises(ValueError, match=message):
        objective(**settings)
