"""Task to embedding: how a policy is conditioned on its task."""

from robomtl.conditioning.conditioning import Conditioning, Kind
from robomtl.conditioning.instruction_embeddings import (
    InstructionAugmentation,
    InstructionEmbeddings,
)

__all__ = ["InstructionAugmentation", "Conditioning", "Kind", "InstructionEmbeddings"]
