import pytest
import torch

from robomtl.policies.diffusion import (
    ChunkTransformer,
    Diffusion,
    DiffusionConfig,
    Flow,
    FlowConfig,
)
from robomtl.policy import Spec

SPEC = Spec(state=5, action=2, embedding=3)
SIZES = {"width": 16, "head_width": 16, "heads": 2, "head_blocks": 2, "chunk": 3}


def test_one_network_serves_both_objectives():
    shapes = [
        {name: it.shape for name, it in policy.state_dict().items()}
        for policy in (
            Diffusion(DiffusionConfig(**SIZES), SPEC),
            Flow(FlowConfig(**SIZES), SPEC),
        )
    ]
    assert shapes[0] == shapes[1]


def test_every_block_begins_as_the_identity():
    network = ChunkTransformer(FlowConfig(**SIZES), 2)
    chunk, time = torch.randn(4, 3, 2), torch.rand(4)
    tokens = network.norm(network.stem(chunk) + network.position)
    found = network(chunk, time, torch.randn(4, 16))
    torch.testing.assert_close(found, network.last(tokens))


def test_a_step_of_the_chunk_depends_on_the_others():
    network = ChunkTransformer(FlowConfig(**SIZES), 2)
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    chunk, time, condition = torch.randn(1, 3, 2), torch.rand(1), torch.randn(1, 16)
    changed = chunk.clone()
    changed[:, 0] += 1
    found = [network(each, time, condition)[:, 2] for each in (chunk, changed)]
    assert not found[0].isclose(found[1]).any()


@pytest.mark.parametrize("config", [DiffusionConfig, FlowConfig])
def test_another_head_is_refused(config):
    message = f"loss is 'l1', but the policy '{config.objective}' always has"
    with pytest.raises(ValueError, match=message):
        config(loss="l1")


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(
        ValueError, match="head_width is 30, which 4 attention heads do"
    ):
        FlowConfig(head_width=30)


def test_more_sampling_steps_than_noise_levels_are_refused():
    with pytest.raises(ValueError, match="sampling_steps is 200 and noise_levels 100"):
        DiffusionConfig(sampling_steps=200)
