"""Comparisons of two agents: which one is better, and with what certainty.

Names are loaded on first use: worker processes import this package and need few of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
