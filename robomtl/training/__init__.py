"""Behaviour cloning of many tasks by one policy."""

from robomtl.training.cloning import train
from robomtl.training.config import TrainConfig

__all__ = ["TrainConfig", "train"]
