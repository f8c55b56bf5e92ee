"""Pre-normalised transformer blocks, whose tokens attend to one another or to others."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.errors import InputError


class Attended(NamedTuple):
    """The keys, values and mask of a block's attention."""

    keys: Tensor
    """(batch, head, token, part)."""
    values: Tensor
    """(batch, head, token, part)."""
    mask: Tensor | None
    """True where a query may look, broadcast to (batch, head, query, token); None where
    every query looks at every token."""


class Block(nn.Module):
    """Attention, then a perceptron, both to the normalised and added to the token.

    Args:
        width: Length of a token.
        heads: Number of attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, 4 * width)
        self.outer = nn.Linear(4 * width, width)

    def keys_and_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of these tokens; each (batch, head, token, part)."""
        joined = self.key_value(self.attention_norm(tokens))
        keys, values = rearrange(
            joined, "b n (kv head part) -> kv b head n part", kv=2, head=self.heads
        )
        return keys, values

    def forward(self, tokens: Tensor, attended: Attended) -> Tensor:
        """The tokens after the block; (batch, token, width)."""
        queries = rearrange(
            self.query(self.attention_norm(tokens)),
            "b n (head part) -> b head n part",
            head=self.heads,
        )
        found = functional.scaled_dot_product_attention(
            queries, attended.keys, attended.values, attn_mask=attended.mask
        )
        tokens = tokens + self.output(
            rearrange(found, "b head n part -> b n (head part)")
        )
        update: Tensor = self.outer(functional.gelu(self.inner(self.norm(tokens))))
        return tokens + update

    def among(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """The tokens after the block, where they attend to one another.

        Args:
            tokens: (batch, token, width).
            mask: See ``Attended``.
        """
        keys, values = self.keys_and_values(tokens)
        attended: Tensor = self(tokens, Attended(keys, values, mask))
        return attended


def last_tokens(
    blocks: nn.ModuleList, tokens: Tensor, mask: Tensor, *, count: int = 1
) -> Tensor:
    """The last tokens after all blocks, each of whose tokens attend to one another.

    Args:
        blocks: The blocks, at least one.
        tokens: (batch, token, width).
        mask: See ``Attended``.
        count: Number of tokens from the end.

    Returns:
        (batch, count, width).
    """
    *before, final = cast(Sequence[Block], blocks)
    for block in before:
        tokens = block.among(tokens, mask)
    # Nothing reads what becomes of the other tokens in the last block.
    attended = Attended(*final.keys_and_values(tokens), mask[..., -count:, :])
    last: Tensor = final(tokens[:, -count:], attended)
    return last


def check_heads(width: int, heads: int) -> None:
    """Refuses attention heads that do not share the width evenly.

    Raises:
        InputError: Names a width that would fit.
    """
    if width % heads:
        raise InputError(
            f"width is {width}, which {heads} heads do not share evenly;"
            f" give a multiple of {heads}."
        )
