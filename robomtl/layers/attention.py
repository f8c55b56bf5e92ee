"""Pre-normalised transformer blocks for self-attention and cross-attention."""

from collections.abc import Sequence
from typing import NamedTuple, cast

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from robomtl.errors import InputError


class Attended(NamedTuple):
    """Keys, values and mask that the queries of a block attend to."""

    keys: Tensor
    """Keys of the tokens; (batch, head, token, head width)."""
    values: Tensor
    """Values of the tokens; (batch, head, token, head width)."""
    mask: Tensor | None
    """True where a query may attend, broadcast to (batch, head, query, token); None if
    every query attends to every token."""


class Block(nn.Module):
    """A pre-normalised transformer block: attention, then a perceptron, each residual.

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
        """Keys and values of tokens; each (batch, head, token, head width)."""
        joined = self.key_value(self.attention_norm(tokens))
        keys, values = rearrange(
            joined, "b n (kv head part) -> kv b head n part", kv=2, head=self.heads
        )
        return keys, values

    def forward(self, tokens: Tensor, attended: Attended) -> Tensor:
        """Tokens after the block; (batch, token, width).

        Args:
            tokens: Tokens that make the queries; (batch, token, width).
            attended: Keys, values and mask to attend to.
        """
        queries = rearrange(
            self.query(self.attention_norm(tokens)),
            "b n (head part) -> b head n part",
            head=self.heads,
        )
        mixed = functional.scaled_dot_product_attention(
            queries, attended.keys, attended.values, attn_mask=attended.mask
        )
        tokens = tokens + self.output(
            rearrange(mixed, "b head n part -> b n (head part)")
        )
        update: Tensor = self.outer(functional.gelu(self.inner(self.norm(tokens))))
        return tokens + update

    def among(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens after the block with self-attention; (batch, token, width).

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
    """Last tokens of a sequence after self-attention in all blocks; (batch, count, width).

    Args:
        blocks: At least one ``Block``.
        tokens: (batch, token, width).
        mask: See ``Attended``.
        count: Number of tokens to return, from the end of the sequence.
    """
    *before, final = cast(Sequence[Block], blocks)
    for block in before:
        tokens = block.among(tokens, mask)
    # The last block computes only the tokens that are returned.
    attended = Attended(*final.keys_and_values(tokens), mask[..., -count:, :])
    last: Tensor = final(tokens[:, -count:], attended)
    return last


def check_heads(width: int, heads: int) -> None:
    """Checks that the number of attention heads divides the width.

    Raises:
        InputError: If it does not.
    """
    if width % heads:
        raise InputError(
            f"width is {width}, which {heads} attention heads do not divide;"
            f" give a multiple of {heads}."
        )
