import pytest
import torch

from robomtl.policies.transformer import Transformer, TransformerConfig
from robomtl.policy import Spec

SIZES = {"width": 16, "blocks": 2, "heads": 2, "chunk": 2}


def seen(policy, state):
    """The tokens after the first block."""
    found = []
    original = policy.trunk[0].among

    def among(tokens, mask=None):
        found.append(original(tokens, mask))
        return found[-1]

    policy.trunk[0].among = among
    policy({"state": state}, torch.ones(1, 4))
    return found[0]


def test_no_token_depends_on_a_later_one():
    torch.manual_seed(0)
    policy = Transformer(
        TransformerConfig(**SIZES), Spec(state=3, action=2, embedding=4, history=3)
    )
    state = torch.randn(1, 3, 3)
    changed = state.clone()
    changed[:, 2] += 1.0  # The present observation: after the task and two others.
    before, after = seen(policy, state), seen(policy, changed)
    assert after[:, :3].equal(before[:, :3])
    assert not after[:, 3:].isclose(before[:, 3:]).all(-1).any()


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ValueError, match="width is 30, which 4 attention heads do not"):
        TransformerConfig(width=30)
