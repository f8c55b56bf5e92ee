"""Task conditioning: the embedding of the task that a policy reads."""

from robomtl.conditioning.conditioning import Conditioning, Kind
from robomtl.conditioning.instruction_embeddings import (
    InstructionAugmentation,
    InstructionEmbeddings,
)

__all__ = ["InstructionAugmentation", "Conditioning", "Kind", "InstructionEmbeddings"]
