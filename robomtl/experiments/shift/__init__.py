"""Success of policies against the magnitude of shifts of their suite.

Names are imported on first use, because worker processes import this package and need few
of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
