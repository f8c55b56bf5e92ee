"""Data sets of other tools, brought into the layout that robomtl trains on."""

from robomtl.importing.import_request import ImportConfig
from robomtl.importing.importing import check_source, import_data

__all__ = ["ImportConfig", "check_source", "import_data"]
