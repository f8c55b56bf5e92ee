import dataclasses
import json
import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from robomtl import checkpoint
from robomtl.acting.actor import TaskInfo
from robomtl.adaptation import Support, adapt
from robomtl.adaptation.adapting import configure
from robomtl.adaptation.meta.bayesian_regression import (
    Belief,
    evidence,
    marginal_noise,
    posterior,
    predict,
    spread,
)
from robomtl.adaptation.meta.last_layer import (
    head_mean,
    last_layer_for,
    predictive_variance,
)
from robomtl.adaptation.methods.alpaca import AlpacaTraining
from robomtl.demonstrations import CollectionConfig, collect
from robomtl.execution.compute import Compute
from robomtl.files.folder_kinds import POLICY, RUN
from robomtl.policies.film import Film, FilmConfig
from robomtl.policy import Policy, Spec
from robomtl.suites import suite
from robomtl.training.config import TrainConfig
from robomtl.training.episodic import EpisodicSampler
from robomtl.training.material import materials
from robomtl.training.train_run import train

pytestmark = pytest.mark.usefixtures("forked_workers")

SUITE = suite("points/ML4")
HELD_OUT = SUITE.held_out_tasks[0].name
SPEC = Spec(state=12, action=2, embedding=384)
TINY = {"width": 16, "blocks": 1, "task_width": 8}


def drawn(features=6, outputs=2, samples=20, noise=0.3, seed=0):
    """A belief, and samples of a matrix drawn from it."""
    torch.manual_seed(seed)
    mean = torch.randn(features, outputs, dtype=torch.float64)
    factor = torch.randn(features, features, dtype=torch.float64).tril(-1)
    factor += torch.rand(features, dtype=torch.float64).add(1).diag()
    prior = Belief(mean, factor)
    rows = torch.randn(features, outputs, dtype=torch.float64)
    unit = torch.linalg.solve_triangular(factor.mT, rows, upper=True)
    matrix = mean + noise * unit
    phi = torch.randn(samples, features, dtype=torch.float64)
    y = phi @ matrix + noise * torch.randn(samples, outputs, dtype=torch.float64)
    return prior, matrix, phi, y


def ones(samples=20):
    return torch.ones(samples, dtype=torch.float64)


def test_the_posterior_equals_a_direct_solve():
    prior, _, phi, y = drawn()
    weight = torch.rand(20, dtype=torch.float64)
    after = posterior(prior, phi, y, weight)
    before = prior.factor @ prior.factor.T
    precision = phi.T @ torch.diag(weight) @ phi + before
    mean = torch.linalg.inv(precision) @ (
        phi.T @ torch.diag(weight) @ y + before @ prior.mean
    )
    torch.testing.assert_close(after.factor @ after.factor.T, precision)
    torch.testing.assert_close(after.mean, mean)
    query = torch.randn(7, 6, dtype=torch.float64)
    direct = (query @ torch.linalg.inv(precision) * query).sum(1)
    torch.testing.assert_close(spread(after, query), direct)


def test_the_prediction_equals_that_of_a_gaussian_process_with_the_prior_s_kernel():
    prior, _, phi, y = drawn()
    after = posterior(prior, phi, y, ones())
    covariance = torch.linalg.inv(prior.factor @ prior.factor.T)
    query = torch.randn(7, 6, dtype=torch.float64)
    gram = torch.linalg.inv(phi @ covariance @ phi.T + torch.eye(20))
    across = query @ covariance @ phi.T
    mean = query @ prior.mean + across @ gram @ (y - phi @ prior.mean)
    variance = query @ covariance @ query.T - across @ gram @ across.T
    torch.testing.assert_close(query @ after.mean, mean)
    torch.testing.assert_close(spread(after, query), variance.diagonal())


def test_what_is_predicted_at_once_is_what_the_posterior_predicts():
    prior, _, phi, y = drawn()
    weight = torch.rand(3, 20, dtype=torch.float64)
    weight[0, 5:] = 0
    query = torch.randn(7, 6, dtype=torch.float64)
    after = posterior(prior, phi, y, weight)
    predicted = predict(prior, phi, y, weight, query)
    torch.testing.assert_close(predicted.mean, query @ after.mean)
    torch.testing.assert_close(predicted.spread, spread(after, query.expand(3, -1, -1)))


def test_samples_one_after_the_other_teach_what_they_teach_together():
    prior, _, phi, y = drawn()
    first = posterior(prior, phi[:7], y[:7], ones(7))
    second = posterior(first, phi[7:], y[7:], ones(13))
    together = posterior(prior, phi, y, ones())
    torch.testing.assert_close(second.mean, together.mean)
    torch.testing.assert_close(second.factor, together.factor)


def test_samples_without_weight_teach_nothing():
    prior, _, phi, y = drawn()
    after = posterior(prior, phi, y, 0 * ones())
    torch.testing.assert_close(after.mean, prior.mean)
    torch.testing.assert_close(after.factor, prior.factor)


def test_a_solve_is_exact_under_autocast():
    prior, _, phi, y = drawn()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = posterior(prior, phi, y, ones())
        wide = spread(mixed, phi)
    assert torch.equal(mixed.mean, posterior(prior, phi, y, ones()).mean)
    assert torch.equal(wide, spread(mixed, phi))


@pytest.mark.parametrize("noise", [0.3, None])
def test_intervals_of_95_percent_cover_95_percent_of_draws(noise):
    inside, total = 0.0, 0
    for seed in range(200):
        prior, matrix, phi, y = drawn(seed=seed, samples=40)
        after = posterior(prior, phi, y, ones(40))
        known = torch.full((2,), 0.3**2, dtype=torch.float64)
        if noise is None:
            known = marginal_noise(prior, after, phi, y, ones(40))
        query = torch.randn(50, 6, dtype=torch.float64)
        fresh = query @ matrix + 0.3 * torch.randn(50, 2, dtype=torch.float64)
        deviation = ((1 + spread(after, query))[:, None] * known).sqrt()
        inside += ((fresh - query @ after.mean).abs() < 1.96 * deviation).sum().item()
        total += fresh.numel()
    assert inside / total == pytest.approx(0.95, abs=0.015)


def test_the_marginal_noise_is_without_bias():
    estimates = []
    for seed in range(200):
        prior, _, phi, y = drawn(seed=seed)
        after = posterior(prior, phi, y, ones())
        estimates.append(marginal_noise(prior, after, phi, y, ones()))
    mean = torch.stack(estimates).mean().item()
    assert mean == pytest.approx(0.3**2, rel=0.05)


def test_the_evidence_is_the_density_of_the_samples_with_the_matrix_integrated_out():
    prior, _, phi, y = drawn()
    precision = torch.tensor([0.1, 1.0, 7.0])
    density = []
    for each in precision.double():
        covariance = torch.eye(20) + phi @ phi.T / each
        residual = y - phi @ prior.mean
        noise = (residual * torch.linalg.solve(covariance, residual)).mean(0)
        normals = [
            MultivariateNormal((phi @ prior.mean)[:, j], noise[j] * covariance)
            for j in range(2)
        ]
        density.append(sum(n.log_prob(y[:, j]) for j, n in enumerate(normals)))
        scaled = Belief(prior.mean, each.sqrt() * torch.eye(6).double())
        after = posterior(scaled, phi, y, ones())
        found = marginal_noise(scaled, after, phi, y, ones())
        torch.testing.assert_close(found, noise)
    nats = evidence(prior.mean, phi, y, ones(), precision)
    expected = torch.stack(density)
    torch.testing.assert_close(nats - nats[0], expected - expected[0])
    twice = evidence(prior.mean, phi, y.expand(2, -1, -1), ones(), precision)
    torch.testing.assert_close(twice, 2 * nats)


def test_the_likeliest_precision_is_near_that_of_the_prior():
    precision = torch.logspace(-2, 2, 9)
    torch.manual_seed(0)
    phi = torch.randn(300, 50, dtype=torch.float64)
    matrix = 0.1 * torch.randn(50, 4, dtype=torch.float64)  # In units of the noise.
    y = phi @ matrix + torch.randn(300, 4, dtype=torch.float64)
    nats = evidence(torch.zeros(50, 4), phi, y, ones(300), precision)
    assert precision[nats.argmax()] == pytest.approx(100)


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
        config=CollectionConfig(tasks=[HELD_OUT], episodes=4),
        compute=Compute(workers=1),
    )


def trained(demonstrations, folder, **settings):
    settings = {"policy_config": TINY, **settings}
    config = TrainConfig(steps=20, batch_size=64, threads=1, validation=0.4)
    return train(demonstrations, out=folder, config=config, **settings)


@pytest.fixture(scope="module")
def cloned(demonstrations, tmp_path_factory):
    return trained(demonstrations, tmp_path_factory.mktemp("cloned"))


@pytest.fixture(scope="module")
def meta_trained(demonstrations, tmp_path_factory):
    folder = tmp_path_factory.mktemp("meta")
    return trained(demonstrations, folder, objective="alpaca")


def inputs(policy, support, rows=3):
    state = torch.from_numpy(support.state[:rows])
    embedding = torch.zeros(rows, policy.card.spec.embedding)
    return {"state": state}, embedding


@pytest.mark.parametrize("prior", ["head", "zero"])
def test_adapting_leaves_the_ridge_solution_in_the_head(cloned, support, prior):
    config = {"prior": prior, "precision": 2.0, "correlation": 5.0}
    before = {k: v.clone() for k, v in cloned.policy.state_dict().items()}
    adapted = adapt(cloned, support, method=configure("alpaca", config))
    after = cloned.policy.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())

    instruction = SUITE.held_out_tasks[0].instruction
    state = torch.from_numpy(support.state)
    fixed = cloned.card.conditioning.fixed([TaskInfo(HELD_OUT, instruction)])
    fixed = fixed.expand(len(state), -1)
    features = cloned.policy({"state": state}, fixed)
    phi = torch.cat([features, torch.ones(len(state), 1)], dim=1).double()
    y = torch.from_numpy(support.action).double()
    start = head_mean(cloned.policy)[0].double() * (prior == "head")
    ridge = phi.T @ phi + 10 * torch.eye(phi.shape[1])
    mean = torch.linalg.solve(ridge, phi.T @ y + 10 * start)
    torch.testing.assert_close(
        head_mean(adapted.policy)[0].double(), mean, atol=1e-5, rtol=1e-4
    )


def test_an_adapted_policy_knows_how_sure_it_is_also_when_loaded(
    cloned, support, tmp_path
):
    adapted = adapt(cloned, support, method="alpaca", out=tmp_path / "run")
    loaded = checkpoint.load(tmp_path / "run")
    assert loaded.card.objective == "alpaca"
    given = inputs(adapted, support)
    variance = predictive_variance(adapted.policy, *given)
    assert variance.shape == (3,) and (variance > 0).all()
    assert torch.equal(predictive_variance(loaded.policy, *given), variance)


def test_the_precision_is_the_likeliest_unless_given(cloned, support):
    def nats(precision):
        config = {"precision": precision}
        adapted = adapt(cloned, support, method=configure("alpaca", config))
        return adapted.policy.meta.log_factor

    chosen = adapt(cloned, support, method="alpaca").policy.meta.log_factor
    grid = [10 ** (power / 2) for power in range(-6, 6)]
    distance = [(nats(precision) - chosen).abs().max() for precision in grid]
    assert min(distance) < 1e-5


def test_a_second_support_is_learned_on_top_of_the_first(cloned, support):
    config = {"precision": 1.0}
    first = adapt(cloned, support.take([0, 1]), method=configure("alpaca", config))
    both = adapt(first, support.take([2, 3]), method="alpaca")
    at_once = adapt(cloned, support, method=configure("alpaca", config))
    torch.testing.assert_close(
        head_mean(both.policy), head_mean(at_once.policy), atol=1e-4, rtol=1e-3
    )


def test_more_demonstrations_make_a_policy_surer(cloned, support):
    variances = []
    for shots in (1, 4):
        given = Support(demonstrations=support.take(range(shots)))
        adapted = adapt(cloned, given, method=configure("alpaca", {"precision": 1.0}))
        layer = adapted.policy.meta
        layer.log_noise.data.zero_()
        variances.append(predictive_variance(adapted.policy, *inputs(adapted, support)))
    assert (variances[1] < variances[0]).all()


@pytest.mark.parametrize("policy", ["film", "mlp"])
@pytest.mark.parametrize("loss", ["l1", "gaussian"])
def test_policies_of_chunks_and_of_every_loss_can_be_adapted(
    demonstrations, support, tmp_path, policy, loss
):
    config = {"width": 16, "chunk": 3, "loss": loss}
    some = trained(
        demonstrations.select(per_task=2), tmp_path, policy=policy, policy_config=config
    )
    adapted = adapt(some, support, method="alpaca", out=tmp_path / "adapted")
    chunk, _ = checkpoint.load(tmp_path / "adapted").policy.act(
        *inputs(adapted, support), None
    )
    assert chunk.shape == (3, 3, 2) and torch.isfinite(chunk).all()


def test_the_prior_is_meta_trained_and_used(meta_trained, support, tmp_path):
    layer = meta_trained.policy.meta
    fresh = checkpoint.build(meta_trained.card).meta
    assert not torch.equal(layer.log_factor, fresh.log_factor)
    assert not torch.equal(layer.log_noise, fresh.log_noise)
    one = adapt(meta_trained, support, method=configure("alpaca", {"precision": 1e3}))
    other = adapt(meta_trained, support, method="alpaca", out=tmp_path)
    assert torch.equal(head_mean(one.policy), head_mean(other.policy))
    assert torch.equal(other.policy.meta.log_noise, layer.log_noise)
    assert not torch.equal(other.policy.meta.log_factor, layer.log_factor)
    assert checkpoint.load(tmp_path).fingerprint == other.fingerprint


def test_the_loss_is_the_log_density_of_queries_given_the_support(
    meta_trained, demonstrations
):
    card, policy = meta_trained.card, meta_trained.policy
    config = TrainConfig(validation=0.4)
    material, _ = materials(demonstrations, card.conditioning, config, chunk=1)
    sampler = EpisodicSampler(material, tasks=2, shots=2, steps=4, seed=0)
    problems = sampler.batch(0, 8)
    objective = AlpacaTraining(samples=20.0)
    loss = objective.loss(policy, problems).per_sample
    first = slice(0, 4)  # Rows of the first problem.
    phi, query = (
        torch.cat([policy(b.observation, b.task_embedding), torch.ones(8, 1)], 1)[first]
        for b in (problems.support, problems.query)
    )
    shots = problems.context.mask[0].sum()
    prior = Belief(head_mean(policy)[0], policy.meta.factor())
    after = posterior(
        prior, phi, problems.support.action[first, 0], torch.ones(4) * 20 * shots / 4
    )
    variance = (1 + spread(after, query))[:, None] * policy.meta.noise()
    density = torch.distributions.Normal(query.double() @ after.mean, variance.sqrt())
    expected = -density.log_prob(problems.query.action[first, 0].double()).mean(1)
    torch.testing.assert_close(loss[first], expected.float())


def test_a_training_of_an_earlier_version_is_read_without_its_removed_setting(
    demonstrations, tmp_path
):
    new = trained(demonstrations, tmp_path, objective="alpaca")
    for name in (POLICY, RUN):
        content = json.loads((tmp_path / name).read_text())
        content["objective_config"]["context"] = 16
        (tmp_path / name).write_text(json.dumps(content))
    assert checkpoint.load(tmp_path).card == new.card
    again = trained(demonstrations, tmp_path, objective="alpaca")  # It is finished.
    assert again.card == new.card


def test_a_policy_without_a_belief_says_how_to_get_one(cloned, support):
    with pytest.raises(ValueError, match="Adapt it by the method alpaca"):
        predictive_variance(cloned.policy, *inputs(cloned, support))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"prior": "heads"}, "did you mean 'head'|head"),
        ({"precision": 0.0}, "precision is 0.0; give more than 0"),
        ({"correlation": 0.5}, "correlation is 0.5; give a finite number from 1"),
        ({"ridge": 1}, "Method 'alpaca'"),
    ],
)
def test_settings_out_of_range_are_refused(cloned, support, config, message):
    with pytest.raises(ValueError, match=message):
        adapt(cloned, support, method=configure("alpaca", config))


def test_objectives_with_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="samples is 0.0; give more than 0"):
        AlpacaTraining(samples=0.0)
    with pytest.raises(ValueError, match="shots is 0; give at least 1"):
        AlpacaTraining(shots=0)


class Other(Policy):
    def loss(self, batch):
        raise NotImplementedError

    def act(self, observation, task_embedding, memory):
        raise NotImplementedError


def test_a_policy_without_a_last_layer_is_refused(cloned, support):
    strange = dataclasses.replace(cloned, policy=Other(None, cloned.card.spec))
    with pytest.raises(ValueError, match="Other does not end in an ActionHead"):
        adapt(strange, support, method="alpaca")


def test_a_head_that_cannot_be_solved_for_is_refused(cloned, support):
    flow = Film(FilmConfig(**{**TINY, "loss": "flow"}), cloned.card.spec)
    strange = dataclasses.replace(cloned, policy=flow)
    message = "heads gaussian, l1, l2; the policy has the head 'flow'.*by finetune"
    with pytest.raises(ValueError, match=message):
        adapt(strange, support, method="alpaca")


@pytest.mark.parametrize("part", ["head.linear.weight", "stem.weight"])
def test_a_support_that_cannot_be_solved_for_is_reported(cloned, support, part):
    broken = checkpoint.packed(checkpoint.build(cloned.card), cloned.card)
    broken.policy.get_parameter(part).data.fill_(math.nan)
    with pytest.raises(FloatingPointError, match="Alpaca diverged"):
        adapt(broken, support, method="alpaca")


def test_the_prior_has_the_precision_asked_for():
    precision = last_layer_for(Film(FilmConfig(**TINY), SPEC), precision=4.0).factor()
    torch.testing.assert_close(precision @ precision.T, 4 * torch.eye(17).double())
