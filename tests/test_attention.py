import torch
from torch import nn

from robomtl.layers.attention import Block


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
