"""Probes of a policy: does it use its instruction, and what do its features contain?

Names are imported on first use, because worker processes import this package and need few
of them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
