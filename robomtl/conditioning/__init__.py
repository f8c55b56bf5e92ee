"""Task to embedding: how a policy is told what to do."""

from robomtl.conditioning.conditioning import Conditioning, Kind
from robomtl.conditioning.wordings import Augmentation, Wordings

__all__ = ["Augmentation", "Conditioning", "Kind", "Wordings"]
