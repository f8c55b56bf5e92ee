"""Evaluation of agents on a suite: trials, and success per task.

Names are loaded on first use, as worker processes need few of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
