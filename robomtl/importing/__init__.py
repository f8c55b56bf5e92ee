"""Data sets of other tools, brought into the layout that robomtl trains on."""

from robomtl.importing.importing import check_source, import_data
from robomtl.importing.request import ImportConfig

__all__ = ["ImportConfig", "check_source", "import_data"]
