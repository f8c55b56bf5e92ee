"""One policy from the demonstrations of many tasks."""

from robomtl.training.config import TrainConfig
from robomtl.training.running import train

__all__ = ["TrainConfig", "train"]
