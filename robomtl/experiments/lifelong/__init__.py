"""Lifelong learning: methods that learn a stream of tasks, and their forgetting.

Names are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
