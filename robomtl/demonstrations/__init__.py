"""Demonstrations: collected from experts, stored as LeRobotDataset v3.0, read back."""

from robomtl.demonstrations.adding import add_cameras
from robomtl.demonstrations.collecting import collect
from robomtl.demonstrations.collection_config import CollectionConfig
from robomtl.demonstrations.contents import Episodes
from robomtl.demonstrations.dataset import Demonstrations
from robomtl.demonstrations.mixture import Mixture

__all__ = [
    "CollectionConfig",
    "Demonstrations",
    "Episodes",
    "Mixture",
    "add_cameras",
    "collect",
]
