"""Pre-normalised transformer blocks for self-attention and cross-attention."""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
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
            tokens: Tokens that make the queries; (batch, token, width), or (1, token,
                width) if they are the same for the whole batch.
            attended: Keys, values and mask to attend to.
        """
        queries = self._queries(tokens).expand(len(attended.keys), -1, -1, -1)
        mixed = functional.scaled_dot_product_attention(
            queries, attended.keys, attended.values, attn_mask=attended.mask
        )
        return self._updated(
            tokens, rearrange(mixed, "b head n part -> b n (head part)")
        )

    def among(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens after the block with self-attention; (batch, token, width).

        Args:
            tokens: (batch, token, width).
            mask: See ``Attended``.
        """
        keys, values = self.keys_and_values(tokens)
        attended: Tensor = self(tokens, Attended(keys, values, mask))
        return attended

    def read(self, tokens: Tensor, mask: Tensor, count: int) -> Tensor:
        """The last tokens after the block with self-attention; (batch, count, width).

        The result is that of ``among``. A few queries q are cheaper to project by the keys'
        weights than many tokens x, as (x Wᵏ)·q = x·(Wᵏᵀ q), and a mean of values is the
        projected mean of tokens. The bias of keys adds the same to the score of every
        token, which the softmax ignores.

        Args:
            tokens: (batch, token, width).
            mask: See ``Attended``; its queries are all tokens, or one for any.
            count: Number of tokens to return, from the end of the sequence.
        """
        queries = self._queries(tokens[:, -count:])
        key, value = rearrange(
            self.key_value.weight,
            "(kv head part) x -> kv head part x",
            kv=2,
            head=self.heads,
        )
        projected = torch.einsum("bhqp,hpx->bqhx", queries, key)
        attended = self.attention_norm(tokens)[:, None]
        rows = mask[..., -count:, :].expand(-1, -1, count, -1)
        mixed = functional.scaled_dot_product_attention(
            rearrange(projected, "b query head x -> b 1 (query head) x"),
            attended,
            attended,
            attn_mask=rows.repeat_interleave(self.heads, dim=2),
            scale=key.shape[1] ** -0.5,
        )
        mixed = rearrange(
            mixed, "b 1 (query head) x -> b query head x", head=self.heads
        )
        values = rearrange(
            torch.einsum("bqhx,hpx->bqhp", mixed, value),
            "b query head part -> b query (head part)",
        )
        bias = self.key_value.bias[len(self.key_value.bias) // 2 :]
        return self._updated(tokens[:, -count:], values + bias)

    def _queries(self, tokens: Tensor) -> Tensor:
        """Queries of tokens; (batch, head, token, head width)."""
        queries: Tensor = rearrange(
            self.query(self.attention_norm(tokens)),
            "b n (head part) -> b head n part",
            head=self.heads,
        )
        return queries

    def _updated(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Tokens after the residual updates by what they attended to and by the perceptron."""
        tokens = tokens + self.output(attended)
        update: Tensor = self.outer(functional.gelu(self.inner(self.norm(tokens))))
        return tokens + update


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
    return final.read(tokens, mask, count)


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
