"""Instructions as UTF-8 bytes, for policies with their own tokeniser."""

from collections.abc import Sequence

import torch
from torch import Tensor

from robomtl.errors import InputError

LENGTH = 160
"""Largest number of bytes of an instruction; shorter instructions end in zeros."""


def characters(sentences: Sequence[str | None]) -> Tensor:
    """UTF-8 bytes of sentences, zeros for a withheld one (None); (sentence, LENGTH).

    Raises:
        InputError: If a sentence has more than ``LENGTH`` bytes.
    """
    rows = torch.zeros(len(sentences), LENGTH)
    for row, sentence in enumerate(sentences):
        encoded = (sentence or "").strip().encode()
        if len(encoded) > LENGTH:
            raise InputError(
                f"The instruction '{sentence}' has {len(encoded)} bytes; a policy that reads"
                f" text accepts at most {LENGTH}."
            )
        rows[row, : len(encoded)] = torch.tensor([*encoded], dtype=torch.float)
    return rows


def sentences(rows: Tensor) -> list[str]:
    """Sentences of rows that ``characters`` made; empty for a withheld one."""
    encoded = rows.round().clamp(0, 255).to(torch.uint8).cpu()
    return [bytes(row[row > 0].tolist()).decode(errors="replace") for row in encoded]
