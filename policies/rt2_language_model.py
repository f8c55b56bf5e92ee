"""Language models of ``rt2``: one from a local folder, or a small one over bytes.

A folder contains the files that Hugging Face's ``save_pretrained`` writes: ``config.json``,
weights as safetensors, and ``tokenizer.json``. No code and no pickle is ever loaded.
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
    """A decoder-only transformer over text tokens."""

    width: int
    """Length of a token's embedding."""
    vocabulary: int
    """Number of tokens of the vocabulary."""

    def tokens(self, text: str) -> list[int]:
        """Token indices of a text, without special tokens."""
        ...

    def embedded(self, tokens: Tensor) -> Tensor:
        """Embeddings of tokens; (..., token) -> (..., token, width)."""
        ...

    def hidden(self, values: Tensor, mask: Tensor) -> Tensor:
        """Final hidden states under causal attention; (batch, token, width).

        Args:
            values: Embeddings of the tokens; (batch, token, width).
            mask: False for padding; (batch, token).
        """
        ...

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits of the next token; (..., width) -> (..., vocabulary)."""
        ...


class ByteModel(nn.Module):
    """A small untrained transformer over the bytes of a text.

    Args:
        width: Length of a token.
        blocks: Number of transformer blocks.
        heads: Attention heads of each block.
        longest: Largest number of tokens of a sequence.
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

    def hidden(self, values: Tensor, mask: Tensor) -> Tensor:
        """See ``LanguageModel``; padding may be on the left or on the right."""
        count = values.shape[1]
        index = (mask.long().cumsum(1) - 1).clamp(min=0)
        values = values + self.position[index]
        ones = torch.ones(count, count, dtype=torch.bool, device=values.device)
        itself = torch.eye(count, dtype=torch.bool, device=values.device)
        causal = (ones.tril() & mask[:, None] | itself)[:, None]
        for block in self.blocks:
            values = cast(Block, block).among(values, causal)
        hidden: Tensor = self.norm(values)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """See ``LanguageModel``; the output layer is tied to the embeddings."""
        return hidden @ self.embedding.weight.T


class FolderModel(nn.Module):
    """A language model of the library ``transformers``.

    Args:
        architecture: Content of ``config.json``.
        tokenizer: Length of ``tokenizer.json`` [bytes].
        folder: Folder of weights and tokeniser. They are read only if the folder exists
            and has this ``config.json``; otherwise a checkpoint must supply them.
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
            InputError: If the tokeniser is damaged or belongs to another model.
        """
        with explained(f"The tokeniser of the language model ({TOKENIZER}) is damaged"):
            if self._tokenise is None:
                from tokenizers import Tokenizer

                content = bytes(self.tokenizer.tolist()).decode()
                self._tokenise = Tokenizer.from_str(content)
            ids: list[int] = self._tokenise.encode(text, add_special_tokens=False).ids
        if max(ids, default=0) >= self.vocabulary:
            raise InputError(
                f"The tokeniser ({TOKENIZER}) is that of another language model: it gives"
                f" token {max(ids)}, but the model has {self.vocabulary} tokens."
            )
        return ids

    def embedded(self, tokens: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        values: Tensor = self.base.get_input_embeddings()(tokens)
        return values

    def hidden(self, values: Tensor, mask: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        index = (mask.long().cumsum(1) - 1).clamp(min=0)
        with explained("The language model cannot compute", RuntimeError):
            made = self.base(
                inputs_embeds=values,
                attention_mask=mask.long(),
                position_ids=index,
                use_cache=False,
            )
        hidden: Tensor = made.last_hidden_state
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        if self.words is not None:
            logits: Tensor = self.words(hidden)
            return logits
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
    """Rows of tokens as one tensor, padded on the left.

    Returns:
        Token indices, and a mask that is False for padding; both (row, token).
    """
    longest = max(map(len, rows))
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, row in enumerate(rows):
        tokens[number, longest - len(row) :] = torch.tensor(row, dtype=torch.long)
        mask[number, longest - len(row) :] = True
    return tokens, mask
