import pytest
import torch
from torch import nn

from robomtl.layers.attention import Attended, Block, last_tokens


def test_a_block_is_a_pre_normalised_encoder_layer():
    torch.manual_seed(0)
    block = Block(16, 4)
    layer = nn.TransformerEncoderLayer(
        16, 4, 64, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    attention = layer.self_attn
    with torch.no_grad():
        attention.in_proj_weight.copy_(
            torch.cat([block.query.weight, block.key_value.weight])
        )
        attention.in_proj_bias.copy_(
            torch.cat([block.query.bias, block.key_value.bias])
        )
    attention.out_proj.load_state_dict(block.output.state_dict())
    layer.norm1.load_state_dict(block.attention_norm.state_dict())
    layer.norm2.load_state_dict(block.norm.state_dict())
    layer.linear1.load_state_dict(block.inner.state_dict())
    layer.linear2.load_state_dict(block.outer.state_dict())
    tokens = torch.randn(3, 5, 16)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    expected = layer(tokens, src_mask=~causal)
    torch.testing.assert_close(block.among(tokens, causal), expected)


@pytest.mark.parametrize("count", [1, 2])
def test_reading_the_last_tokens_equals_computing_all(count):
    torch.manual_seed(0)
    blocks = nn.ModuleList(Block(16, 4) for _ in range(2)).double()
    tokens = torch.randn(3, 5, 16).double()
    causal = torch.ones(5, 5, dtype=torch.bool).tril()[None, None]
    every = blocks[1].among(blocks[0].among(tokens, causal), causal)
    last = last_tokens(blocks, tokens, causal, count=count)
    torch.testing.assert_close(last, every[:, -count:])


def test_queries_of_a_whole_batch_may_be_given_once():
    torch.manual_seed(0)
    block = Block(16, 4)
    queries, tokens = torch.randn(1, 2, 16), torch.randn(3, 5, 16)
    attended = Attended(*block.keys_and_values(tokens), None)
    shared = block(queries, attended)
    torch.testing.assert_close(shared, block(queries.expand(3, -1, -1), attended))
