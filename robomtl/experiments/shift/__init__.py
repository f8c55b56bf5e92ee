"""Success of policies against the magnitude of shifts of their suite.

Names are loaded on first use: worker processes import this package and need little.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
