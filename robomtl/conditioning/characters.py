"""Instructions as numbers, for policies that read words by their own tokeniser."""

from collections.abc import Sequence

import torch
from torch import Tensor

from robomtl.errors import InputError

LENGTH = 160
"""Bytes of an instruction at most; shorter ones end in zeros."""


def characters(sentences: Sequence[str | None]) -> Tensor:
    """The bytes of sentences in UTF-8, zeros where one is withheld; (sentence, LENGTH).

    Raises:
        InputError: If a sentence is too long.
    """
    rows = torch.zeros(len(sentences), LENGTH)
    for row, sentence in enumerate(sentences):
        encoded = (sentence or "").strip().encode()
        if len(encoded) > LENGTH:
            raise InputError(
                f"The instruction '{sentence}' has {len(encoded)} bytes; a policy that reads"
                f" text takes {LENGTH} at most."
            )
        rows[row, : len(encoded)] = torch.tensor([*encoded], dtype=torch.float)
    return rows


def sentences(rows: Tensor) -> list[str]:
    """The sentences of such rows; empty where one is withheld."""
    found = rows.round().clamp(0, 255).to(torch.uint8).cpu()
    return [bytes(row[row > 0].tolist()).decode(errors="replace") for row in found]
