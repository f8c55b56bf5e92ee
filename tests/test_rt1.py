"""RT-1: the TokenLearner, and causal attention."""

import pytest
import torch
from torch.nn import functional

from robomtl.errors import InputError
from robomtl.layers.token_learner import TokenLearner, positional_encoding
from robomtl.policies.rt1 import RT1, RT1Config
from robomtl.policy import Spec

SPEC = Spec(state=6, action=3, embedding=4, history=6)


def build(**config):
    torch.manual_seed(0)
    return RT1(RT1Config(width=32, blocks=2, heads=2, **config), SPEC).eval()


@torch.inference_mode()
def test_a_learned_token_is_the_mean_of_places_weighted_by_its_map():
    torch.manual_seed(0)
    learner, tokens = TokenLearner(6, 3), torch.randn(2, 5, 6)
    norm, first, _, second = learner.maps
    expected = torch.zeros(2, 3, 6)
    for image in range(2):
        normed = functional.layer_norm(
            tokens[image], (6,), norm.weight, norm.bias, 1e-6
        )
        inner = functional.gelu(first(normed), approximate="tanh")
        maps = second(inner)  # (place, token)
        for token in range(3):
            weight = maps[:, token].exp() / maps[:, token].exp().sum()
            expected[image, token] = (weight[:, None] * tokens[image]).sum(0)
    assert torch.allclose(learner(tokens), expected, atol=1e-6)


@torch.inference_mode()
def test_the_order_of_places_does_not_matter_to_learned_tokens():
    learner, tokens = TokenLearner(6, 3), torch.randn(2, 5, 6)
    assert torch.allclose(learner(tokens.flip(1)), learner(tokens), atol=1e-6)


def test_every_place_of_a_map_has_a_code_of_its_own():
    for count in (121, 12):  # A square, and none.
        codes = positional_encoding(count, 64)
        assert codes.shape == (count, 64)
        apart = torch.cdist(codes, codes) + torch.eye(count)
        assert apart.min() > 0.05


@torch.inference_mode()
def test_a_token_sees_none_of_a_later_time():
    policy, task_embedding, seen = build(), torch.ones(2, 4), []
    block = policy.trunk[0]
    block.outer.register_forward_hook(lambda module, given, made: seen.append(made))
    state = torch.randn(2, 6, 6)
    before = policy({"state": state}, task_embedding)
    changed = state.clone()
    changed[:, 3:] += 1.0
    after = policy({"state": changed}, task_embedding)
    same = (seen[0] == seen[1]).all(-1).all(0)
    assert same.tolist() == [True] * 3 + [False] * 3
    assert not torch.equal(before, after)


def test_actions_are_in_256_bins_by_default():
    policy = build()
    assert policy.config.loss == "bins"
    assert policy.head.values.out_features == 256


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(InputError, match="width is 20, which 8 attention heads do not"):
        RT1Config(width=20)
