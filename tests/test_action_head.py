import pytest
import torch
from torch.distributions import Normal

from robomtl.action_head import ActionHead, gaussian_nll, masked_mean


def test_the_gaussian_loss_is_the_negative_log_density():
    error, log_deviation = torch.randn(5), torch.randn(5)
    expected = -Normal(0.0, log_deviation.exp()).log_prob(error)
    assert torch.allclose(gaussian_nll(error, log_deviation), expected, atol=1e-6)


def test_the_masked_mean_divides_by_the_steps_within_the_episode():
    elements = torch.tensor([[[1.0, 3.0], [100.0, 100.0]]])
    assert masked_mean(elements, torch.tensor([[1.0, 0.0]])) == 2.0


def test_an_empty_chunk_is_refused():
    with pytest.raises(ValueError, match="chunk is 0; a policy predicts at least 1"):
        ActionHead(4, action=2, chunk=0, loss="l1")


def test_an_unknown_loss_names_the_nearest():
    with pytest.raises(ValueError, match="Unknown loss 'l3'. Did you mean"):
        ActionHead(4, action=2, chunk=1, loss="l3")
