"""Demonstrations: collected from experts, stored as LeRobotDataset v3.0, read back.

Names are loaded on first use: processes that record episodes import this package without
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
