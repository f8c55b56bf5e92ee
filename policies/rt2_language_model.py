"""Language models that ``rt2`` starts from: one in a local folder, or a small one of bytes.

A folder holds what Hugging Face's ``save_pretrained`` writes: ``config.json``, weights as
safetensors, and ``tokenizer.json``. No code and no pickle of it is ever loaded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from robomtl.errors import InputError
from robomtl.files.paths import located
from robomtl.layers.attention import Block
from robomtl.policies.rt2_folder import (
    TOKENIZER,
    built,
    check_architecture,
    explained,
    read_architecture,
    read_weights,
)

_BYTES = 256


class LanguageModel(Protocol):
    """A decoder-only transformer over tokens of text."""

    width: int
    """Length of a token's embedding."""
    vocabulary: int
    """Number of tokens."""

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text."""
        ...

    def embedded(self, tokens: Tensor) -> Tensor:
        """Embeddings of tokens; (..., token) -> (..., token, width)."""
        ...

    def hidden(self, values: Tensor, there: Tensor) -> Tensor:
        """What becomes of embeddings, each of which attends to those before it.

        Args:
            values: (batch, token, width).
            there: False for padding; (batch, token).
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Of the next token; (..., width) -> (..., vocabulary)."""
        ...


class ByteModel(nn.Module):
    """A small transformer over the bytes of a text, without any training of its own.

    Args:
        width: Length of a token.
        blocks: Number of transformer blocks.
        heads: Attention heads of each.
        longest: Number of tokens of a sequence at most.
    """

    def __init__(self, width: int, blocks: int, heads: int, longest: int) -> None:
        super().__init__()
        self.width, self.vocabulary = width, _BYTES
        self.embedding = nn.Embedding(_BYTES, width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.position = nn.Parameter(0.02 * torch.randn(longest, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def tokens(self, text: str) -> list[int]:
        """See ``LanguageModel``."""
        return [*text.encode()]

    def embedded(self, tokens: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        values: Tensor = self.embedding(tokens)
        return values

    def hidden(self, values: Tensor, there: Tensor) -> Tensor:
        """See ``LanguageModel``; a text is padded on its left, or on its right."""
        count = values.shape[1]
        place = (there.long().cumsum(1) - 1).clamp(min=0)
        values = values + self.position[place]
        ones = torch.ones(count, count, dtype=torch.bool, device=values.device)
        itself = torch.eye(count, dtype=torch.bool, device=values.device)
        mask = (ones.tril() & there[:, None] | itself)[:, None]
        for block in self.blocks:
            values = cast(Block, block).among(values, mask)
        hidden: Tensor = self.norm(values)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """See ``LanguageModel``; by the embeddings of the tokens."""
        return hidden @ self.embedding.weight.T


class FolderModel(nn.Module):
    """A language model of the library ``transformers``.

    Args:
        architecture: Content of ``config.json``.
        tokenizer: Length of ``tokenizer.json`` [bytes].
        folder: Where weights and tokeniser are read from, if they are there and its
            ``config.json`` is this one; a checkpoint brings its own.
    """

    def __init__(self, architecture: str, tokenizer: int, folder: str) -> None:
        super().__init__()
        values = check_architecture(architecture, where="architecture")
        made = built(values)
        words = made.get_input_embeddings()
        self.width = int(words.embedding_dim)
        self.vocabulary = int(words.num_embeddings)
        self.base = made.base_model
        tied = bool(made.config.tie_word_embeddings)
        self.words = None if tied else made.get_output_embeddings()
        self.tokenizer: Tensor
        self.register_buffer("tokenizer", torch.zeros(tokenizer, dtype=torch.uint8))
        self._tokenise: Any = None
        fresh = folder and not self.tokenizer.is_meta and located(folder).exists()
        if fresh and read_architecture(folder) == (architecture, tokenizer):
            self._read(located(folder), made)

    def tokens(self, text: str) -> list[int]:
        """See ``LanguageModel``.

        Raises:
            InputError: If the tokeniser is damaged, or that of another model.
        """
        with explained(f"The tokeniser of the language model ({TOKENIZER}) is damaged"):
            if self._tokenise is None:
                from tokenizers import Tokenizer

                content = bytes(self.tokenizer.tolist()).decode()
                self._tokenise = Tokenizer.from_str(content)
            found: list[int] = self._tokenise.encode(text, add_special_tokens=False).ids
        if max(found, default=0) >= self.vocabulary:
            raise InputError(
                f"The tokeniser of the language model ({TOKENIZER}) is that of another one:"
                f" it gives token {max(found)}, and the model has {self.vocabulary}."
            )
        return found

    def embedded(self, tokens: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        values: Tensor = self.base.get_input_embeddings()(tokens)
        return values

    def hidden(self, values: Tensor, there: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        place = (there.long().cumsum(1) - 1).clamp(min=0)
        with explained("The language model cannot compute", RuntimeError):
            made = self.base(
                inputs_embeds=values,
                attention_mask=there.long(),
                position_ids=place,
                use_cache=False,
            )
        hidden: Tensor = made.last_hidden_state
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        if self.words is not None:
            found: Tensor = self.words(hidden)
            return found
        tied: Tensor = hidden @ self.base.get_input_embeddings().weight.T
        return tied

    def _read(self, folder: Path, made: Any) -> None:
        content = (folder / TOKENIZER).read_bytes()
        self.tokenizer.copy_(torch.from_numpy(np.frombuffer(content, np.uint8).copy()))
        self.tokens("")
        loaded = read_weights(folder, made)
        self.base.load_state_dict(loaded.base_model.state_dict())
        if self.words is not None:
            self.words.load_state_dict(loaded.get_output_embeddings().state_dict())


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of tokens with padding on their left, and where tokens stand.

    Returns:
        Both of shape (row, token).
    """
    longest = max(map(len, rows))
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    there = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, row in enumerate(rows):
        tokens[number, longest - len(row) :] = torch.tensor(row, dtype=torch.long)
        there[number, longest - len(row) :] = True
    return tokens, there
