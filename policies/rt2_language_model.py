"""Language models that ``rt2`` starts from: one in a local folder, or a small one of bytes.

A folder holds what Hugging Face's ``save_pretrained`` writes: ``config.json``, weights as
safetensors, and ``tokenizer.json``. No code and no pickle of it is ever loaded.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from robomtl.attention import Block
from robomtl.durable import LINES_LIMIT
from robomtl.errors import InputError, MissingExtraError
from robomtl.paths import located
from robomtl.untrusted import LIMIT, check_file, parse_json, read_file

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
_BYTES = 256
_LAYERS = 1024  # Most of a language model; the largest have about 130.


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
        library = _transformers()
        values = check_architecture(architecture, where="architecture")
        config = library.AutoConfig.for_model(**values)
        made = library.AutoModelForCausalLM.from_config(
            config, trust_remote_code=False, dtype=torch.float32
        )
        self.width = int(made.get_input_embeddings().embedding_dim)
        self.vocabulary = int(made.get_input_embeddings().num_embeddings)
        self.base = made.base_model
        tied = bool(config.tie_word_embeddings)
        self.words = None if tied else made.get_output_embeddings()
        self.tokenizer: Tensor
        self.register_buffer("tokenizer", torch.zeros(tokenizer, dtype=torch.uint8))
        self._tokenise: Any = None
        fresh = folder and not self.tokenizer.is_meta and located(folder).exists()
        if fresh and read_architecture(folder) == (architecture, tokenizer):
            self._read(located(folder))

    def tokens(self, text: str) -> list[int]:
        """See ``LanguageModel``."""
        if self._tokenise is None:
            from tokenizers import Tokenizer

            content = bytes(self.tokenizer.tolist()).decode()
            self._tokenise = Tokenizer.from_str(content)
        found: list[int] = self._tokenise.encode(text, add_special_tokens=False).ids
        return found

    def embedded(self, tokens: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        values: Tensor = self.base.get_input_embeddings()(tokens)
        return values

    def hidden(self, values: Tensor, there: Tensor) -> Tensor:
        """See ``LanguageModel``."""
        place = (there.long().cumsum(1) - 1).clamp(min=0)
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

    def _read(self, folder: Path) -> None:
        content = (folder / TOKENIZER).read_bytes()
        self.tokenizer.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        library = _transformers()
        made = library.AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
        self.base.load_state_dict(made.base_model.state_dict())
        if self.words is not None:
            self.words.load_state_dict(made.get_output_embeddings().state_dict())


def read_architecture(folder: str) -> tuple[str, int]:
    """Content of a folder's ``config.json``, and the length of its tokeniser [bytes].

    Raises:
        InputError: If the folder is not there, holds a pickle, code, no weights or no
            tokeniser, or its configuration cannot be read.
    """
    path = located(folder)
    if not (path / CONFIG).exists():
        raise InputError(
            f"{path} holds no {CONFIG}; give a folder of a language model, as Hugging"
            " Face's save_pretrained writes it."
        )
    pickles = sorted(each.name for each in path.iterdir() if each.suffix in _PICKLES)
    if pickles:
        raise InputError(
            f"{path} holds {pickles[0]}, a pickle, which may run any code; leave it out,"
            " and give the weights as safetensors."
        )
    if not any(path.glob("*.safetensors")):
        raise InputError(f"{path} holds no weights; expected model.safetensors.")
    if not (path / TOKENIZER).exists():
        raise InputError(f"{path} holds no tokeniser; expected {TOKENIZER}.")
    try:
        text = read_file(path / CONFIG, limit=LIMIT).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path / CONFIG} is damaged: {error}.") from error
    values = check_architecture(text, where=str(path / CONFIG))
    check_file(path / TOKENIZER, limit=LINES_LIMIT)
    return json.dumps(values, sort_keys=True), (path / TOKENIZER).stat().st_size


def check_architecture(text: str, *, where: str) -> dict[str, Any]:
    """The values of a ``config.json``, checked.

    Args:
        text: Its content.
        where: Names it in messages.

    Raises:
        InputError: If it is no JSON, names no type of model, has too many layers, or asks
            for code of its own.
    """
    values = parse_json(text, dict[str, Any], where=where)
    if not isinstance(values.get("model_type"), str):
        raise InputError(f"{where} names no model_type.")
    for name, value in values.items():  # Building it without values takes time, too.
        if "layer" in name and isinstance(value, int) and value > _LAYERS:
            raise InputError(
                f"{where} has {name} {value}; at most {_LAYERS} layers are built."
            )
    if "auto_map" in values:
        raise InputError(
            f"{where} asks for code of its own (auto_map), which is never run; give a model"
            " that the library transformers knows."
        )
    return values


_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


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


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError(
            "A language model in a folder is read by the library transformers:"
            " pip install 'robomtl[language]'"
        ) from error
    return transformers
