"""Imports data sets of other tools as the LeRobotDataset v3.0 that robomtl trains on."""

from robomtl.importing.import_request import ImportConfig
from robomtl.importing.importing import check_source, import_data

__all__ = ["ImportConfig", "check_source", "import_data"]
