"""Action heads, compared with other implementations and identities."""

import pytest
import torch
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    Normal,
)

from robomtl.action_head import HeadConfig, action_head
from robomtl.heads.bins import bin_of, value_of
from robomtl.heads.diffusion import Diffusion, ddim_step
from robomtl.heads.flow import Flow
from robomtl.heads.regression import bounded, gaussian_nll
from robomtl.policy import Batch, Spec

SPEC = Spec(state=1, action=2, embedding=0)


def batch_of(action, mask=None):
    return Batch(
        observation={},
        action=action,
        mask=torch.ones(action.shape[:2]) if mask is None else mask,
        task_embedding=torch.zeros(len(action), 0),
        task=torch.zeros(len(action), dtype=torch.long),
    )


def test_the_gaussian_loss_is_the_negative_log_density():
    error, log_std = torch.randn(5), torch.randn(5)
    expected = -Normal(0.0, log_std.exp()).log_prob(error)
    assert torch.allclose(gaussian_nll(error, log_std), expected, atol=1e-6)


def test_the_loss_of_a_mixture_is_its_negative_log_density_by_component():
    torch.manual_seed(0)
    head = action_head(3, HeadConfig(chunk=4, loss="mixture", modes=3), SPEC)
    features, action = torch.randn(6, 3), torch.rand(6, 4, 2) * 2 - 1
    predicted = head.linear(features)
    logits, rest = predicted[:, :3], predicted[:, 3:].view(6, 2, 3, 4, 2)
    modes = Independent(Normal(rest[:, 0], bounded(rest[:, 1]).exp()), 2)
    mixture = MixtureSameFamily(Categorical(logits=logits), modes)
    expected = -mixture.log_prob(action) / (4 * 2)
    found = head.loss(features, batch_of(action)).per_sample
    torch.testing.assert_close(found, expected)


def test_a_mixture_acts_by_the_mean_of_its_likeliest_mode():
    head = action_head(3, HeadConfig(loss="mixture", modes=3), SPEC)
    predicted = torch.zeros(1, 3 + 2 * 3 * 2)
    predicted[0, :3] = torch.tensor([0.0, 2.0, 1.0])
    predicted[0, 3:9] = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    torch.testing.assert_close(
        head.actions(predicted, None), torch.tensor([[[0.3, 0.4]]])
    )


@pytest.mark.parametrize("bins", [2, 255, 256])
def test_actions_come_back_from_bins_within_half_a_gap(bins):
    action = torch.linspace(-1, 1, 1001)
    index = bin_of(action, bins)
    assert index.min() == 0 and index.max() == bins - 1
    assert len(index.unique()) == bins
    assert (value_of(index, bins) - action).abs().max() <= 1 / (bins - 1) + 1e-6
    every = torch.arange(bins)
    assert bin_of(value_of(every, bins), bins).equal(every)
    assert value_of(every, bins)[[0, -1]].tolist() == [-1, 1]


def process(name, steps):
    return Flow(steps=steps) if name == "flow" else Diffusion(steps=steps, levels=100)


def kept_at(levels, time):
    """ᾱ at a time, as the process has it."""
    return levels.kept(time.device)[(time * 100).round().long()][:, None, None]


def exact(name, mean, deviation):
    """The optimal prediction for Gaussian chunks, in closed form."""

    def predict(chunk, time):
        here = time[:, None, None]
        if name == "flow":
            gain = here * deviation**2 / ((1 - here) ** 2 + here**2 * deviation**2)
            action = mean + gain * (chunk - here * mean)
            if (here == 1).any():
                raise AssertionError("a step begins at the end")
            return (action - chunk) / (1 - here)
        kept = kept_at(process(name, 1), time)
        gain = (1 - kept).sqrt() / (1 - kept + kept * deviation**2)
        return gain * (chunk - kept.sqrt() * mean)

    return predict


@pytest.mark.parametrize("name", ["flow", "diffusion"])
@pytest.mark.parametrize("steps", [1, 4, 100])
def test_noise_leads_to_a_single_chunk_exactly_in_any_number_of_steps(name, steps):
    noise, mean = torch.randn(8, 3, 2), torch.rand(3, 2) * 2 - 1
    found = process(name, steps).sampled(exact(name, mean, 0.0), noise)
    torch.testing.assert_close(found, mean.expand(8, 3, 2), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["flow", "diffusion"])
def test_noise_leads_to_the_distribution_of_the_chunks(name):
    noise = torch.randn(20_000, 1, 1, generator=torch.Generator().manual_seed(0))
    found = process(name, 100).sampled(exact(name, 0.3, 0.1), noise)
    assert abs(found.mean() - 0.3) < 0.01
    assert abs(found.std() - 0.1) < 0.01


@pytest.mark.parametrize("name", ["flow", "diffusion"])
def test_the_exact_prediction_has_no_loss_on_a_single_chunk(name):
    mean = torch.rand(3, 2)
    made = process(name, 10)
    chunk, time, target = made.corrupted(mean.expand(64, 3, 2), torch.randn(64, 3, 2))
    assert ((0 <= time) & (time < 1)).all()
    found = exact(name, mean, 0.0)(chunk, time)
    torch.testing.assert_close(found, target, rtol=1e-2, atol=1e-2)


def test_a_step_of_the_sampler_is_the_same_noise_at_another_level():
    levels = Diffusion(steps=10, levels=100)
    kept, chunk, noise = (
        levels.kept(torch.device("cpu")),
        torch.rand(4, 3, 2),
        torch.randn(4, 3, 2),
    )
    noisy = kept[60].sqrt() * chunk + (1 - kept[60]).sqrt() * noise
    expected = kept[20].sqrt() * chunk + (1 - kept[20]).sqrt() * noise
    found = ddim_step(noisy, noise, kept[60], kept[20])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_levels_of_noise_are_those_of_the_cosine_schedule():
    kept = Diffusion(steps=1, levels=1000).kept(torch.device("cpu"))
    assert (kept.diff() < 0).all() and 0 < kept[-1] < 1e-4
    # Nichol and Dhariwal's f(t) / f(0) in the middle, where nothing is clipped.
    half = torch.tensor(0.508 / 1.008 * torch.pi / 2).cos() ** 2
    whole = torch.tensor(0.008 / 1.008 * torch.pi / 2).cos() ** 2
    torch.testing.assert_close(kept[499], half / whole, rtol=1e-3, atol=0)


@pytest.mark.parametrize("loss", ["flow", "diffusion"])
def test_drawn_actions_follow_the_seed(loss):
    head = action_head(3, HeadConfig(chunk=2, loss=loss), SPEC)
    features = torch.randn(4, 3)
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(head(features))
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])


@pytest.mark.parametrize("loss", ["mixture", "bins", "flow", "diffusion"])
def test_a_head_learns_two_ways_to_act_where_the_mean_of_both_is_neither(loss):
    torch.manual_seed(0)
    sizes = {"head_width": 64, "head_blocks": 2, "modes": 2}
    head = action_head(2, HeadConfig(chunk=2, loss=loss, **sizes), SPEC)
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(200):
        side = torch.randint(2, (128, 1, 1)) * 1.0 - 0.5
        action = side.expand(128, 2, 2)
        optimiser.zero_grad()
        head.loss(torch.ones(128, 2), batch_of(action)).per_sample.mean().backward()
        optimiser.step()
    acted = head(torch.ones(64, 2))
    near = ((acted.abs() - 0.5).abs() < 0.25).float().mean()
    assert near > 0.8
