import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from robomtl.checkpoint import configure
from robomtl.cli.train import main
from robomtl.errors import InputError
from robomtl.policies.act import Act, ActConfig, Latent
from robomtl.policy import Batch, Spec

SPEC = Spec(state=5, action=2, embedding=3)
SIZES = {"width": 16, "heads": 2, "blocks": 1, "chunk_blocks": 1, "latent": 4}


def build(**settings):
    torch.manual_seed(0)
    policy = Act(ActConfig(**{**SIZES, "chunk": 3, **settings}), SPEC)
    for parameter in policy.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return policy


@pytest.fixture
def batch():
    torch.manual_seed(1)
    return Batch(
        observation={"state": torch.randn(6, 5)},
        action=torch.rand(6, 3, 2) * 2 - 1,
        mask=torch.tensor([[1.0, 1, 1]] * 3 + [[1.0, 1, 0]] * 3),
        task_embedding=torch.randn(6, 3),
        task=torch.zeros(6, dtype=torch.long),
    )


def test_the_divergence_is_that_from_a_standard_gaussian_in_nats():
    latent = Latent(torch.randn(5, 4), torch.randn(5, 4))
    one = Independent(Normal(latent.mean, (0.5 * latent.log_variance).exp()), 1)
    other = Independent(Normal(torch.zeros(5, 4), torch.ones(5, 4)), 1)
    torch.testing.assert_close(latent.divergence().sum(-1), kl_divergence(one, other))


def test_the_loss_is_the_error_and_beta_times_the_divergence(batch):
    found = []
    for beta in (0.0, 0.5):
        torch.manual_seed(2)
        found.append(build(beta=beta).loss(batch))
    torch.testing.assert_close(
        (found[1].per_sample - found[0].per_sample).mean(),
        0.5 * found[0].metrics["kl"],
    )
    torch.testing.assert_close(
        found[0].per_sample.mean(), found[0].metrics["action_error"]
    )
    assert 0 <= found[0].metrics["active_units"] <= 4


def test_actions_from_states_alone_depend_on_z(batch):
    policy = build()
    inputs = batch.observation, batch.task_embedding
    predicted = [
        policy._predicted(*inputs, z) for z in (torch.zeros(6, 4), torch.ones(6, 4))
    ]
    assert not predicted[0].isclose(predicted[1]).any()


def test_what_acts_is_the_chunk_at_z_of_zero_and_is_what_validation_scores(batch):
    policy = build().eval()
    acted, _ = policy.act(batch.observation, batch.task_embedding, None)
    expected = policy._predicted(
        batch.observation, batch.task_embedding, torch.zeros(6, 4)
    )
    assert acted.equal(expected.clamp(-1, 1))
    error = ((expected - batch.action).abs().mean(-1) * batch.mask).sum(1)
    torch.testing.assert_close(policy.loss(batch).per_sample, error / batch.mask.sum(1))


def test_padding_is_no_part_of_what_is_encoded(batch):
    policy = build()
    other = batch.action.clone()
    other[3:, 2] = 0.5
    means = [
        policy._encoded(batch._replace(action=a)).mean for a in (batch.action, other)
    ]
    assert means[0].equal(means[1])


def test_a_negative_weight_of_the_divergence_is_refused():
    with pytest.raises(ValueError, match="beta is -1; give 0 or more"):
        ActConfig(beta=-1)


@pytest.mark.parametrize("name", ["act", "rt2"])
def test_a_policy_with_a_head_of_its_own_lets_none_be_chosen(name):
    message = f"'{name}' does not let its action head be chosen; leave loss"
    with pytest.raises(InputError, match=message):
        configure(name, {"loss": "flow"})
    with pytest.raises(InputError, match=message):
        main(["--data", "any", "--policy", name, "--architecture.loss", "flow"])


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ValueError, match="width is 30, which 4 attention heads do not"):
        ActConfig(width=30)
