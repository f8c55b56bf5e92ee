"""Octo: attention between tokens, and its consequences for tasks and readouts."""

import pytest
import torch

from robomtl.errors import InputError
from robomtl.policies.octo import Octo, OctoConfig, block_mask
from robomtl.policy import Spec

SPEC = Spec(state=6, action=3, embedding=4, history=2)


def build(spec=SPEC, **config):
    torch.manual_seed(0)
    return Octo(OctoConfig(width=32, blocks=3, heads=2, **config), spec).eval()


def observation(size=5):
    generator = torch.Generator().manual_seed(1)
    return {"state": torch.randn(size, 2, 6, generator=generator)}


def test_attention_is_block_wise_as_in_the_table():
    # Two tokens of the task, two observations of two tokens, two readouts.
    expected = """
        11 00 00 00
        11 00 00 00
        11 11 00 00
        11 11 00 00
        11 11 11 00
        11 11 11 00
        11 11 11 10
        11 11 11 01
    """
    rows = [
        list(line.replace(" ", "")) for line in expected.split("\n") if line.strip()
    ]
    table = torch.tensor([[mark == "1" for mark in row] for row in rows])
    mask = block_mask(task=2, observation=2, history=2, readouts=2)
    assert torch.equal(mask, table)


@torch.inference_mode()
def test_a_task_that_is_withheld_has_no_influence():
    policy, task_embedding = build(), torch.zeros(5, 4)
    before = policy(observation(), task_embedding)
    policy.encoder.bias.fill_(123.0)
    assert torch.equal(policy(observation(), task_embedding), before)
    task_embedding[0, 0] = 1.0
    changed = policy(observation(), task_embedding) != before
    assert changed[0].any()
    assert not changed[1:].any()


@torch.inference_mode()
def test_a_readout_has_no_influence_on_another():
    policy = build(readouts=3)
    task_embedding, seen = torch.ones(5, 4), []
    policy.norm.register_forward_hook(lambda module, given, made: seen.append(made))
    policy(observation(), task_embedding)
    policy.readout[1].add_(1.0)
    policy(observation(), task_embedding)
    changed = (seen[0] != seen[1]).any(-1).any(0)
    assert changed.tolist() == [False, True, False]


@torch.inference_mode()
def test_more_readouts_leave_the_features_of_the_first_as_they_were():
    one, two = build(readouts=1), build(readouts=2)
    state = {k: v for k, v in one.state_dict().items() if k != "readout"}
    two.load_state_dict(state, strict=False)
    two.readout[:] = one.readout
    task_embedding = torch.ones(5, 4)
    assert torch.allclose(
        two(observation(), task_embedding),
        one(observation(), task_embedding),
        atol=1e-6,
    )


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(InputError, match="width is 30, which 8 attention heads do not"):
        OctoConfig(width=30)
