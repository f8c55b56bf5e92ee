"""Task to embedding: how a policy is told what to do."""

from robomtl.conditioning.conditioning import Conditioning, Kind
from robomtl.conditioning.instruction_embeddings import (
    InstructionAugmentation,
    InstructionEmbeddings,
)

__all__ = ["InstructionAugmentation", "Conditioning", "Kind", "InstructionEmbeddings"]
